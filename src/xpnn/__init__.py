"""xpnn: neural networks written once against the Array API standard.

Choose an array library with `set_backend`, describe a `Network`, and `fit` it:
the same equations run on NumPy, CuPy, PyTorch, JAX, or any conforming library.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING

from . import data, distributed, exceptions, graph, optimizers, plot, schedules
from ._backends.audit import Audit as Audit, audit
from ._backends.base import Backend
from ._backends.selection import backend_of, get_backend, set_backend, use_backend
from ._backends.status import BackendStatus as BackendStatus, backends
from ._typing import Array, Namespace
from .core.activations import Activation
from .core.losses import Loss
from .core.parameters import Layer
from .exceptions import *  # noqa: F403  each of its __all__
from .exceptions import XpnnError
from .files import save
from .network import Network
from .training.checkpoint import Checkpoint
from .training.fit import fit
from .training.gradient_check import GradientCheck as GradientCheck, gradient_check
from .training.history import History as History, Report as Report

if _TYPE_CHECKING:  # what `__getattr__` imports when it is asked for
    from . import course
    from .estimators import LogisticRegression, MLPClassifier, MLPRegressor, load
    from .interop.sklearn import from_sklearn
    from .interop.torch import from_torch

_ESTIMATORS = {
    "MLPClassifier": ".estimators",
    "MLPRegressor": ".estimators",
    "LogisticRegression": ".estimators",
    "load": ".estimators",
    "from_sklearn": ".interop.sklearn",
    "from_torch": ".interop.torch",
}

__all__ = [
    # choosing where work runs
    "set_backend",
    "use_backend",
    "get_backend",
    "backend_of",
    "backends",
    "Backend",
    "audit",
    "Array",
    "Namespace",
    # networks and training
    "Network",
    "Layer",
    "Activation",
    "Loss",
    "fit",
    "optimizers",
    "schedules",
    "gradient_check",
    "Checkpoint",
    "save",
    # the scikit-learn face
    "MLPClassifier",
    "MLPRegressor",
    "LogisticRegression",
    "from_sklearn",
    "from_torch",
    "load",
    # modules
    "graph",
    "course",
    "data",
    "plot",
    "distributed",
    "exceptions",
    "XpnnError",
]


def __getattr__(name: str) -> object:
    """Look up what takes time only when it is asked for: scikit-learn takes a second."""
    if name in _ESTIMATORS:
        return getattr(_import_module(_ESTIMATORS[name], __name__), name)
    if name == "course":
        return _import_module(".course", __name__)
    if name == "__version__":
        from importlib.metadata import version

        return version(__name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ESTIMATORS, "course", "__version__"})
