"""xpnn: neural networks written once against the Array API standard.

Choose an array library with `set_backend`, describe a `Network`, and `fit` it:
the same equations run on NumPy, CuPy, PyTorch, JAX, or any conforming library.
"""

from importlib.metadata import version as _version

from .backends import (
    Backend,
    BackendStatus,
    backends,
    get_backend,
    set_backend,
    use_backend,
)
from .core import optimizers, schedules
from .core.parameters import Layer
from .errors import (
    ArgumentError,
    ArgumentTypeError,
    BackendError,
    DivergenceError,
    XpnnError,
)
from .network import Network
from .training.fit import fit
from .training.history import History, Report

__version__ = _version("xpnn")
