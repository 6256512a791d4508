"""Files: networks and whatever else was trained, kept so that they survive and can be trusted.

`save`         a network and its parameters

`container` is the one format of our own: a safetensors file with a JSON record beside the
arrays. `atomic` writes it, so that a crash half-way leaves the old file whole. Nothing is
ever unpickled, and no name read from a file is imported.
"""

from .networks import save

__all__ = ["save"]
