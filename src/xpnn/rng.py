"""Random numbers are drawn on the host, by a NumPy generator."""

from typing import Any

import numpy as np

from ._typing import Rng
from .exceptions import ArgumentTypeError


def host_rng(rng: Rng) -> Any:
    """Return a NumPy random generator for a seed; generators pass through."""
    if isinstance(rng, np.random.Generator | np.random.RandomState):
        return rng
    if rng is None or (hasattr(rng, "__index__") and not isinstance(rng, bool) and rng >= 0):
        return np.random.default_rng(rng)
    raise ArgumentTypeError(
        f"rng: expected an int of at least 0, a numpy Generator or RandomState, or None, "
        f"found {rng!r}."
    )
