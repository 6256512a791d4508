"""xpnn: neural networks written once against the Array API standard.

Choose an array library with `set_backend`, describe a `Network`, and `fit` it:
the same equations run on NumPy, CuPy, PyTorch, JAX, or any conforming library.
"""

from importlib.metadata import version as _version

from . import course, data, graph, optimizers, plot, schedules
from .backends import (
    Backend,
    BackendStatus,
    backends,
    get_backend,
    set_backend,
    use_backend,
)
from .core.activations import Activation
from .core.losses import Loss
from .core.parameters import Layer
from .errors import (
    ArgumentError,
    ArgumentTypeError,
    BackendError,
    DivergenceError,
    MissingLibraryError,
    XpnnError,
)
from .network import Network
from .training.fit import fit
from .training.gradient_check import GradientCheck, gradient_check
from .training.history import History, Report

__all__ = [
    # choosing where work runs
    "set_backend",
    "use_backend",
    "get_backend",
    "backends",
    "Backend",
    "BackendStatus",
    # networks and training
    "Network",
    "Layer",
    "Activation",
    "Loss",
    "fit",
    "History",
    "Report",
    "optimizers",
    "schedules",
    "gradient_check",
    "GradientCheck",
    # modules
    "graph",
    "course",
    "data",
    "plot",
    # errors
    "XpnnError",
    "ArgumentError",
    "ArgumentTypeError",
    "BackendError",
    "DivergenceError",
    "MissingLibraryError",
]

__version__ = _version("xpnn")
