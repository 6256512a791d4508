"""Mini-batches of data that stay on the host: they lie in a file, or are too large for the device.

The rows of some steps are gathered on the host, moved together, and trained on. Where a device
computes by itself, the next rows are gathered and copied meanwhile.
"""

from collections.abc import Callable
from mmap import mmap
from typing import Any

import numpy as np

from .._backends.base import Backend, Carry, Run, power_of_2
from .._typing import Array
from ..distributed.processes import ALONE, Communicator

CHUNK = 2**26
"""Bytes of X that are moved at once, unless one mini-batch is larger; Y comes on top."""

MOST_COMPILED = 64
"""Steps that are moved at once at most where steps are compiled."""


def stays_on_host(
    X: Any, batch_size: int | None, backend: Backend, comm: Communicator = ALONE
) -> bool:
    """Whether mini-batches of X, shape (n_x, m), are better moved one by one.

    X is a memory-mapped file, or needs more than half of the device's free memory. Of several
    ranks, each has its part of X; whether a mini-batch is the full batch goes by all of it.
    """
    m = X.shape[1] if isinstance(X, np.ndarray) and X.ndim == 2 else 0
    of_all = sum(comm.gather(m))
    if not m or batch_size is None or batch_size >= of_all:
        return False
    return is_mapped(X) or X.size * itemsize(backend) > backend.free_memory() / 2


def is_mapped(a: Any) -> bool:
    """Whether a host array is a window of a memory-mapped file."""
    while isinstance(a, np.ndarray):  # a copy of a numpy.memmap is still called one
        a = a.base
    return isinstance(a, mmap)


def itemsize(backend: Backend) -> int:
    """Bytes of one number of the backend's dtype."""
    return np.dtype(backend.dtype_name).itemsize


def streaming(run: Run, backend: Backend) -> Run:
    """Turn a run over rows on the device into one whose ``data`` are rows on the host."""

    def streamed(
        carry: Carry,
        data: tuple[Array, ...],
        arrays: tuple[Any, ...],
        widths: list[int],
        numbers: Any,
    ) -> tuple[Carry, Array]:
        indices = arrays[0]
        k, batch = indices.shape
        at_once = max(1, CHUNK // (batch * data[0].shape[1] * itemsize(backend)))
        if backend.compiled:  # once a shape: let there be few
            at_once = power_of_2(min(at_once, MOST_COMPILED) + 1) // 2
        outputs: list[Array] = []
        with backend.async_copies() as copy_async:

            def chunk(start: int) -> list[Callable[[], Array]]:
                wanted = indices[start : start + at_once]
                if backend.compiled:
                    wanted = np.resize(wanted, (power_of_2(len(wanted)), batch))
                return [copy_async(gathered(a, wanted.reshape(-1), backend)) for a in data]

            coming = chunk(0)
            for start in range(0, k, at_once):
                moved = tuple(arrived() for arrived in coming)
                if len(outputs) > 1:
                    backend.throttle(outputs[-2])
                if start + at_once < k:
                    coming = chunk(start + at_once)  # before these steps: copied beside them
                steps = slice(start, start + at_once)
                positions = np.arange(indices[steps].size).reshape(-1, batch)
                rows = (positions, *(a[steps] for a in arrays[1:]))
                carry, output = run(carry, moved, rows, widths[steps], numbers[steps])
                outputs.append(output[: len(positions)])
        return carry, backend.xp.concat(outputs)

    return streamed


def gathered(rows: Any, indices: Any, backend: Backend) -> Any:
    """Return rows of a host array as a new one, in the backend's dtype, one after the other."""
    # not by take, which first copies all that are not laid out like this
    return np.ascontiguousarray(rows[indices], dtype=backend.dtype_name)
