"""Backends: choosing an array library and a device, and what the standard leaves out.

`set_backend`   choose for the process
`use_backend`   choose for a block of code
`get_backend`   the `Backend` at work
`backends`      which ones work here, and why others do not
`audit`         what goes between host and device

This is the only place that names CuPy, PyTorch or JAX, and none of them is
imported before it is asked for.
"""

from .audit import Audit, audit
from .base import Backend, BackendStatus
from .selection import backends, get_backend, set_backend, use_backend

__all__ = [
    "Audit",
    "Backend",
    "BackendStatus",
    "audit",
    "backends",
    "get_backend",
    "set_backend",
    "use_backend",
]
