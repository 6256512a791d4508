"""What the estimators of several processes tell each other before they train."""

from typing import Any

import numpy as np

from .._backends.base import Backend
from .._typing import Array
from ..core.optimizers import Optimizer
from ..distributed.agreement import compare
from ..distributed.processes import Communicator
from ..exceptions import ArgumentError
from ..training.functions import describe

EACH_ITS_OWN = {"backend", "callbacks", "communicator", "verbose"}
"""Parameters that may differ from rank to rank."""


def compare_estimators(
    comm: Communicator,
    estimator: Any,
    X: Array,
    Y: Array,
    sample_weight: Any,
    backend: Backend,
) -> None:
    """Raise on every rank unless parameters, data and backend are of the same kind."""
    if comm.size == 1:
        return
    given = {
        name: describe(value) if isinstance(value, Optimizer) else value
        for name, value in estimator.get_params(deep=False).items()
        if name not in EACH_ITS_OWN
    }
    facts = {
        "features": X.shape[1],
        "sparse X": hasattr(X, "tocsr"),
        "outputs": Y.shape[1],
        "classes": [str(label) for label in getattr(estimator, "classes_", ())],
        "sample_weight": sample_weight is not None,
        "backend": backend.name,
        "dtype": backend.dtype_name,
    }
    compare(comm, **given | facts)


def of_all_ranks(comm: Communicator, y: Array) -> Array:
    """Return labels in which every label of every rank is; targets of two dimensions as they are.

    Of a single process, y itself.
    """
    if comm.size == 1:
        return y
    with comm.on_all():
        labels = np.unique(y) if y.ndim == 1 else None
    everyone = comm.gather(labels)
    if any((labels is None) != (y.ndim == 2) for labels in everyone):
        raise ArgumentError(
            "communicator: expected y of as many dimensions on every rank, found some of one and "
            "some of two."
        )
    return y if y.ndim == 2 else np.unique(np.concatenate(everyone))
