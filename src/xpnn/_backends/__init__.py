"""Backends: choosing an array library and a device, and what the standard leaves out.

`set_backend`   choose for the process
`use_backend`   choose for a block of code
`get_backend`   the `Backend` at work
`backend_of`    the `Backend` that arrays belong to
`backends`      which ones work here, and why others do not
`audit`         what goes between host and device

This is the only place that names CuPy, PyTorch or JAX, and none of them is
imported before it is asked for.
"""

from .audit import Audit, audit
from .base import Backend
from .selection import backend_of, get_backend, set_backend, use_backend
from .status import BackendStatus, backends

__all__ = [
    "Audit",
    "Backend",
    "BackendStatus",
    "audit",
    "backend_of",
    "backends",
    "get_backend",
    "set_backend",
    "use_backend",
]
