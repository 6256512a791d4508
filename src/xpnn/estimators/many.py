"""What the estimators of several processes tell each other before they train."""

from typing import Any

import numpy as np

from .._typing import Array
from ..backends.base import Backend
from ..distributed import Communicator, several
from ..training import together

EACH_ITS_OWN = {"backend", "device", "callbacks", "communicator"}
"""Parameters that may differ from rank to rank."""


def compare_estimators(
    ranks: Communicator | None, estimator: Any, features: int, backend: Backend
) -> None:
    """Raise on every rank unless parameters, features, dtype and classes are the same."""
    if ranks is None:
        return
    given = {
        name: value
        for name, value in estimator.get_params(deep=False).items()
        if name not in EACH_ITS_OWN
    }
    together.compare(ranks, **given | {"features": features, "dtype": backend.dtype_name})


def of_all_ranks(estimator: Any, y: Array) -> Array:
    """Return labels in which every label of every rank is; targets of two dimensions as they are.

    Without a communicator, y itself.
    """
    ranks = several(estimator.communicator)
    if ranks is None or y.ndim == 2:
        return y
    return np.unique(np.concatenate(ranks.gather(np.unique(y))))
