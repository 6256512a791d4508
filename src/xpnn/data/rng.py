"""Random numbers as the notebooks draw them: NumPy's legacy generator, seeded by an int."""

from typing import Any

import numpy as np

from .._typing import Rng
from ..exceptions import ArgumentTypeError


def legacy_rng(rng: Rng) -> Any:
    """Return what has ``standard_normal``, ``uniform`` and ``permutation``.

    Parameters
    ----------
    rng : int, numpy.random.RandomState, numpy.random.Generator or None
        An int seeds a ``RandomState``, which draws what ``np.random`` draws after
        ``np.random.seed``. A generator is used as it is. None means ``np.random`` itself,
        NumPy's global state.

    Returns
    -------
    RandomState, Generator or the module ``numpy.random``

    Raises
    ------
    ArgumentTypeError
        For anything else, and for an int below 0 or above 2³² − 1.

    Examples
    --------
    >>> from xpnn.data.rng import legacy_rng
    >>> float(legacy_rng(1).standard_normal())  # the first number after np.random.seed(1)
    1.6243453636632417
    """
    if rng is None:
        return np.random
    if isinstance(rng, np.random.RandomState | np.random.Generator):
        return rng
    whole = isinstance(rng, int | np.integer) and not isinstance(rng, bool)
    if whole and 0 <= rng < 2**32:
        return np.random.RandomState(rng)
    raise ArgumentTypeError(
        f"rng: expected an int of 0 to 4294967295, a numpy Generator or RandomState, or None, "
        f"found {rng!r}."
    )


def random_state(rng: Rng) -> np.random.RandomState | None:
    """Return the same random numbers in the form that scikit-learn takes.

    A ``RandomState`` around a Generator's bits draws from it and moves it on; None is
    NumPy's global state to scikit-learn too.
    """
    rng = legacy_rng(rng)
    if isinstance(rng, np.random.Generator):
        return np.random.RandomState(rng.bit_generator)
    return None if rng is np.random else rng
