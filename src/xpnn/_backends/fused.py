"""Updates of parameters in one pass over memory, compiled by Numba where it is installed.

NumPy reads and writes whole arrays for each operation of an update: a dozen times for Adam, which
takes as long as a fifth of a step of 784-256-128-10. Numba compiles the same function of
`xpnn.core.optimizers` for one entry, and a loop around it. The result is the same to the bit.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any, cast

import numpy as np

from .._typing import Array, Namespace
from ..core import optimizers
from ..core.optimizers import Scalars, State, Update

WORTH_COMPILING = 2**26
"""Entries to update that take NumPy about as long as compiling takes, half a second."""


@contextmanager
def compiled_at_once() -> Iterator[None]:
    """Return a context in which updates are compiled in their first step: timings want that."""
    global WORTH_COMPILING
    before, WORTH_COMPILING = WORTH_COMPILING, 0
    try:
        yield
    finally:
        WORTH_COMPILING = before


@cache
def fused(update: Update) -> Update:
    """Return an update of NumPy arrays that is compiled after some time, if Numba works."""
    if update.__module__ != optimizers.__name__:
        return update
    done, working = 0, True

    def one_pass(
        theta: Array, g: Array, state: State, scalars: Scalars, xp: Namespace
    ) -> tuple[Array, State]:
        nonlocal done, working
        done += max(theta.size, 2**12)  # a smaller one takes as long
        if working and done > WORTH_COMPILING:
            try:
                compiled(update, len(state))(theta, g, *state, numbers(scalars, theta.dtype))
            except Exception:  # only before the loop runs: as Numba is imported or compiles
                working = False
            else:
                return theta, state
        return update(theta, g, state, scalars, xp)

    return one_pass


@lru_cache(maxsize=4)
def numbers(scalars: Scalars, dtype: Any) -> tuple[Any, ...]:
    """Return the scalars in the dtype of the arrays, as NumPy takes them."""
    return tuple(map(dtype.type, scalars))


@cache
def compiled(update: Update, slots: int) -> Callable[..., None]:
    """Return loop(θ, g, *state, scalars) for a state of so many arrays.

    Raises whatever a Numba raises that is too old, badly configured, or whose import Ctrl-C has cut
    short.
    """
    from numba import config, njit

    if config.DISABLE_JIT:
        raise ImportError("Numba is told not to compile (NUMBA_DISABLE_JIT).")
    rule = njit(error_model="numpy")(update)

    def without_state(theta: Array, g: Array, scalars: Scalars) -> None:
        theta, g = theta.flat, g.flat
        for i in range(len(theta)):
            theta[i], _ = rule(theta[i], g[i], (), scalars, np)

    def with_one(theta: Array, g: Array, v: Array, scalars: Scalars) -> None:
        theta, g, v = theta.flat, g.flat, v.flat
        for i in range(len(theta)):
            theta[i], (v[i],) = rule(theta[i], g[i], (v[i],), scalars, np)

    def with_two(theta: Array, g: Array, v: Array, s: Array, scalars: Scalars) -> None:
        theta, g, v, s = theta.flat, g.flat, v.flat, s.flat
        for i in range(len(theta)):
            theta[i], (v[i], s[i]) = rule(theta[i], g[i], (v[i], s[i]), scalars, np)

    loop = (without_state, with_one, with_two)[slots]
    return cast(Callable[..., None], njit(error_model="numpy", nogil=True)(loop))
