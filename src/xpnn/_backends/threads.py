"""How many threads a process computes with: NumPy's BLAS one, while networks are small.

A product that takes 10 µs gains nothing from a second thread, and where other programs keep the
cores busy the threads wait for each other, for as long as a step takes ten times over.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import current_thread, main_thread
from threading import enumerate as threads_alive
from typing import Any

SMALL = 2**24
"""Multiplications in a matrix product, up to which one thread is as fast as two."""

SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What libraries read when they are loaded."""

_before: list[int] | None = None
"""How many threads each BLAS had before `one_thread`; None outside of it."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Let NumPy's BLAS have one thread inside a block, if no other thread works.

    The number is one for the whole process: OpenBLAS has none for a single thread. So a second
    thread that reads it inside the block, as scikit-learn's k-means does, would put back a 1.
    """
    global _before
    give_back()
    if _alone():
        _before = [library.num_threads for library in blas()]
        _set([1] * len(_before))
    try:
        yield
    finally:
        give_back()


def _alone() -> bool:
    """Whether no other thread may be setting the number; those of a notebook are idle daemons."""
    this = current_thread()
    return this is main_thread() and all(t.daemon or t is this for t in threads_alive())


def give_back() -> None:
    """Give every BLAS its threads back: after a block, or after one that Ctrl-C has cut short.

    The numbers are forgotten last: what Ctrl-C cuts short here, the next call does again.
    """
    global _before
    if _before is not None:
        _set(_before)
        _before = None


def _set(numbers: list[int]) -> None:
    for library, n in zip(blas(), numbers, strict=True):
        library.set_num_threads(n)
        if hasattr(library, "clear_controlling_thread"):  # or no other thread could set it
            library.clear_controlling_thread()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=give_back)


def limit_threads(n: int) -> None:
    """Let this process compute with n threads from now on, unless the environment says how many.

    Whether a library has been loaded already, or will be.
    """
    if not any(name in os.environ for name in SETTINGS):
        from threadpoolctl import ThreadpoolController

        ThreadpoolController().limit(limits=n)
        os.environ.update(dict.fromkeys(SETTINGS, str(n)))


@cache
def blas() -> list[Any]:
    """Return threadpoolctl's controllers of the BLAS libraries that are loaded."""
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)
