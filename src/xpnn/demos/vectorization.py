"""The same result by an explicit loop in Python and by one call of an array library."""

from collections.abc import Callable, Iterator
from math import isqrt
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from .._backends.base import Backend
from .._backends.selection import resolve_or_float32
from .._backends.status import usable_specs
from ..course import basics, logistic
from ..plot._canvas import COLOURS, SMALL, Figure, pyplot
from ..table import Table
from ..validation.numbers import positive_int
from .demonstration import Demonstration

REPEATS = 7
FEATURES = 50
HATCHES = ("", "//", "\\\\", "..", "xx", "--", "++", "oo")


class Computation(NamedTuple):
    """What is computed in two ways, and from which arrays."""

    name: str
    loop: Callable[..., Any]
    vectorised: Callable[..., Any]
    given: tuple[Any, ...]


class Timing(NamedTuple):
    """Milliseconds on one backend, and how many times faster than the loops that is."""

    label: str
    ms: list[float]
    ratios: list[float]


def vectorization(n: int = 1_000_000) -> Demonstration:
    """Explicit loops against vectorised calls, on every backend.

    A loop runs once, in Python, over NumPy arrays. The call that replaces it runs on every
    backend that works here, on arrays that are there already, in float64 where the backend
    has it: the median of several runs after a first, each until the device is done. Both
    must come to the same result.

    Parameters
    ----------
    n : int
        About how many numbers each computation runs over.

    Returns
    -------
    Demonstration

    Raises
    ------
    ArithmeticError
        If a vectorised result is not the loop's.

    Examples
    --------
    >>> from xpnn.demos import vectorization
    >>> (table,) = vectorization(n=1000).tables
    >>> table.header[:3]
    ('what', 'loop [ms]', 'numpy float64 [ms]')
    >>> [row[0] for row in table.rows]
    ['dot product', 'matrix × vector', 'exp', 'logistic gradient']
    """
    n = positive_int("n", n)
    todo = computations(n)
    for few in computations(FEATURES):
        _run_loop(few)  # the first call of anything takes longer
    expected, loops = zip(*(_run_loop(computation) for computation in todo), strict=True)
    timings = [
        _time(label, backend, todo, expected, loops) for label, backend in _labeled_backends()
    ]
    ratios = [ratio for timing in timings for ratio in timing.ratios]
    names = [computation.name for computation in todo]
    claim = (
        f"One vectorised call does the work of an explicit loop over {n:,} numbers, and is "
        f"{_times(min(ratios))} to {_times(max(ratios))} as fast here.\n"
        "For the dot product the notes measured 481 ms against 1.5 ms, about 300 times."
    )
    header = ("what", "loop [ms]", *(f"{timing.label} [ms]" for timing in timings))
    rows = [
        (name, _digits(loops[i]), *(f"{_digits(t.ms[i])} ({_times(t.ratios[i])})" for t in timings))
        for i, name in enumerate(names)
    ]
    bars = {"loop": list(loops)} | {timing.label: timing.ms for timing in timings}
    return Demonstration(claim, (Table(header, rows),), lambda: _draw(names, bars, n))


def computations(n: int) -> tuple[Computation, ...]:
    """Return what is computed in two ways from about n numbers."""
    rng = np.random.default_rng(0)
    a, b = rng.random((2, n))
    A, v = rng.random((isqrt(n), isqrt(n))), rng.random(isqrt(n))
    m = max(1, n // FEATURES)
    w, X = 0.1 * rng.standard_normal((FEATURES, 1)), rng.standard_normal((FEATURES, m))
    Y = rng.integers(0, 2, (1, m)).astype(np.float64)
    return (
        Computation("dot product", basics.loop_dot, basics.dot, (a, b)),
        Computation("matrix × vector", basics.loop_matvec, basics.matvec, (A, v)),
        Computation("exp", basics.loop_exp, basics.exp, (a,)),
        Computation(
            "logistic gradient",
            lambda w, X, Y: logistic.loop_propagate(w, 0.0, X, Y)[0]["dw"],
            lambda w, X, Y: logistic.propagate(w, 0.0, X, Y)[0]["dw"],
            (w, X, Y),
        ),
    )


def _labeled_backends() -> Iterator[tuple[str, Backend]]:
    """Yield what is timed, and its name with the dtype."""
    for spec in usable_specs():
        backend = resolve_or_float32(spec, "float64")
        name, _, kind = spec.partition(":")
        yield f"{name if kind == 'cpu' else spec} {backend.dtype_name}", backend


def _run_loop(computation: Computation) -> tuple[Any, float]:
    """Return the result of the loop and the milliseconds that it took."""
    began = perf_counter()
    result = computation.loop(*computation.given)
    return np.asarray(result), 1e3 * (perf_counter() - began)


def _time(
    label: str,
    backend: Backend,
    todo: tuple[Computation, ...],
    expected: tuple[Any, ...],
    loops: tuple[float, ...],
) -> Timing:
    ms = []
    for computation, correct in zip(todo, expected, strict=True):
        with backend.current():
            given = [backend.asarray(x) for x in computation.given]
            spans = []
            for _ in range(REPEATS + 1):  # the first loads, compiles and allocates
                backend.synchronize()
                began = perf_counter()
                result = computation.vectorised(*given)
                backend.synchronize()
                spans.append(1e3 * (perf_counter() - began))
        check(f"{computation.name} on {label}", result, correct, backend)
        ms.append(median(spans[1:]))
    return Timing(label, ms, [loop / time for loop, time in zip(loops, ms, strict=True)])


def check(what: str, result: Any, correct: Any, backend: Backend) -> None:
    """Raise unless a result agrees with the loop's to half the digits of the dtype."""
    found = result if isinstance(result, float) else backend.to_numpy(result)
    error = float(np.max(np.abs(found - correct)) / np.max(np.abs(correct)))
    tolerance = float(np.finfo(backend.dtype_name).eps) ** 0.5
    if not error <= tolerance:
        raise ArithmeticError(
            f"{what}: expected the loop's result to within {tolerance:.1g} of its largest "
            f"entry, found a difference of {error:.1g}."
        )


def _digits(ms: float) -> str:
    return f"{ms:.0f}" if ms >= 100.0 else f"{ms:.2g}"


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}×" if ratio >= 10.0 else f"{ratio:.2g}×"


def _draw(names: list[str], bars: dict[str, list[float]], n: int) -> Figure:
    height = 0.8 / len(bars)
    figure, ax = pyplot().subplots(
        figsize=(8.0, 1.2 + 0.25 * len(names) * (len(bars) + 1)), layout="constrained"
    )
    for k, (label, ms) in enumerate(bars.items()):
        drawn = ax.barh(
            [i + (k - (len(bars) - 1) / 2) * height for i in range(len(names))],
            ms,
            height,
            color="0.75" if k == 0 else COLOURS[(k - 1) % len(COLOURS)],
            hatch=HATCHES[k % len(HATCHES)],
            edgecolor="white" if k else "black",
            linewidth=0.5,
            label=label,
        )
        ax.bar_label(drawn, [f"{_digits(time)} ms" for time in ms], padding=3, fontsize=SMALL)
    ax.set_xscale("log")
    ax.margins(x=0.12)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set_xlabel("time [ms], logarithmic")
    ax.set_title(f"an explicit loop against one call, n = {n:,}", fontsize="medium")
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=min(4, len(bars)), frameon=False)
    return figure
