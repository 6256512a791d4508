"""How many threads a process computes with: NumPy's BLAS one, while networks are small.

A product that takes 10 µs gains nothing from a second thread, and where other programs keep the
cores busy the threads wait for each other, for as long as a step takes ten times over.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock, Thread, current_thread
from typing import Any

SMALL = 2**24
"""Multiplications in a matrix product, up to which one thread is as fast as two."""

SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What libraries read when they are loaded."""

_lock = Lock()
_owner: Thread | None = None


@contextmanager
def one_thread() -> Iterator[None]:
    """Let NumPy's BLAS have one thread, in the whole process, inside a block.

    Of several threads in such a block the first makes the setting, and undoes it when it leaves:
    those still inside have all threads again.
    """
    global _owner
    this = current_thread()
    with _lock:
        # one that is this, or dead, has been interrupted before it could leave
        mine = _owner in (None, this) or not _owner.is_alive()
        _owner = this if mine else _owner
    if not mine:
        yield
        return
    try:
        with blas().limit(limits=1):
            yield
    finally:
        _owner = None


def limit_threads(n: int) -> None:
    """Let this process compute with n threads from now on, unless the environment says how many.

    Whether a library has been loaded already, or will be.
    """
    if not any(name in os.environ for name in SETTINGS):
        from threadpoolctl import ThreadpoolController

        os.environ.update(dict.fromkeys(SETTINGS, str(n)))
        ThreadpoolController().limit(limits=n)


@cache
def blas() -> Any:
    """Return threadpoolctl's controller of the BLAS libraries that are loaded."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
