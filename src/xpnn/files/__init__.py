"""Files: networks and whatever else was trained, kept so that they survive and can be trusted.

`save`         a network and its parameters
`write_onnx`   a trained network for programs that run ONNX

`container` is the one format of our own: a safetensors file with a JSON record beside the
arrays. `atomic` writes it, so that a crash half-way leaves the old file whole. Nothing is
ever unpickled, and no name read from a file is imported.
"""

from .networks import save
from .onnx import write_onnx

__all__ = ["save", "write_onnx"]
