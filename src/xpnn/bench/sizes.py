"""The time of one vectorised call against its size, and where a GPU begins to win."""

from collections.abc import Callable, Sequence
from math import exp, log
from statistics import median
from typing import Any

import numpy as np

from .._backends.base import Backend
from ..exceptions import OutOfMemoryError
from ..validation.memory import host_memory
from .throughput import seconds

SIZES = tuple(10**k for k in range(2, 9))
REPEATS = 7
ENOUGH = 0.01  # seconds: what takes longer is not tried with ten times the size

OPERATIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "dot product": lambda a, b, xp: xp.vecdot(a, b),
    "tanh": lambda a, b, xp: xp.tanh(a),
}


def times_by_size(operation: str, backend: Backend) -> list[float]:
    """Time a call for each of 10², 10³, … numbers, as far as memory and patience reach.

    Medians of some runs after a first, each until the device is done.

    Parameters
    ----------
    operation : {"dot product", "tanh"}
    backend : Backend

    Returns
    -------
    list of float
        Seconds for ``SIZES[0]``, ``SIZES[1]`` and so on.

    Examples
    --------
    >>> import xpnn
    >>> from xpnn.bench import times_by_size
    >>> len(times_by_size("tanh", xpnn.get_backend())) >= 3
    True
    """
    function = OPERATIONS[operation]

    def call(a: Any, b: Any) -> Any:
        return function(a, b, backend.xp)

    run = backend.compile_like_steps(call)
    found: list[float] = []
    for n in SIZES:
        if (found and found[-1] > ENOUGH) or 4 * 4 * n > host_memory() // 2:  # four arrays
            break
        try:
            found.append(_time(run, n, backend))
        except (MemoryError, OutOfMemoryError):
            break
    return found


def _time(call: Callable[[Any, Any], Any], n: int, backend: Backend) -> float:
    rng = np.random.default_rng(0)
    with backend.current():
        a, b = (backend.asarray(rng.random(n, dtype=np.float32)) for _ in range(2))

        def run() -> None:
            result = call(a, b)  # kept: some backends wait for the arrays that there are
            backend.synchronize()
            del result

        return median([seconds(run) for _ in range(REPEATS + 1)][1:])


def crossover(
    sizes: Sequence[int], slow_start: Sequence[float], other: Sequence[float]
) -> float | None:
    """Return the size above which what has a slow start is the faster.

    Between two sizes both times are taken as straight lines in logarithms.

    Parameters
    ----------
    sizes : sequence of int
        In rising order.
    slow_start, other : sequence of float
        Seconds for the first sizes: as many as both have are compared.

    Returns
    -------
    float or None
        The first size if it is faster there and at all above; None if it is not the faster at the
        largest.

    Examples
    --------
    >>> from xpnn.bench import crossover
    >>> crossover([100, 10_000], [1e-5, 1e-5], [1e-6, 1e-4])
    1000.0...
    """
    leads = [log(a / b) for a, b in zip(slow_start, other, strict=False)]  # below 0 it is faster
    if not leads or leads[-1] >= 0.0:
        return None
    behind = [i for i, lead in enumerate(leads) if lead >= 0.0]
    if not behind:
        return float(sizes[0])
    i = behind[-1]
    part = leads[i] / (leads[i] - leads[i + 1])
    return exp(log(sizes[i]) + part * (log(sizes[i + 1]) - log(sizes[i])))
