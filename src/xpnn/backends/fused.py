"""Updates of parameters in one pass over memory, compiled by Numba where it is installed.

NumPy reads and writes whole arrays for each operation of an update: a dozen times for Adam, which
takes as long as a fifth of a step of 784-256-128-10. Numba compiles the same function of
`xpnn.core.optimizers` for one entry, and a loop around it. The result is the same to the bit.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib.util import find_spec
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
    """Return an update of NumPy arrays that is compiled after some time, if Numba is there."""
    if update.__module__ != optimizers.__name__ or find_spec("numba") is None:
        return update
    done = 0

    def one_pass(
        theta: Array, g: Array, state: State, scalars: Scalars, xp: Namespace
    ) -> tuple[Array, State]:
        nonlocal done
        done += max(theta.size, 2**12)  # a smaller one takes as long
        loop = compiled(update, len(state)) if done > WORTH_COMPILING else None
        if loop is None:
            return update(theta, g, state, scalars, xp)
        loop(theta, g, *state, numbers(scalars, theta.dtype))
        return theta, state

    return one_pass


@lru_cache(maxsize=4)
def numbers(scalars: Scalars, dtype: Any) -> tuple[Any, ...]:
    """Return the scalars in the dtype of the arrays, as NumPy takes them."""
    return tuple(map(dtype.type, scalars))


@cache
def compiled(update: Update, slots: int) -> Callable[..., None] | None:
    """Return loop(θ, g, *state, scalars) for a state of so many arrays; None if Numba is broken."""
    try:
        from numba import njit
    except ImportError:  # it is often made for older versions of NumPy
        return None
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
