"""`checked`: every check on every backend."""

from collections.abc import Callable, Iterator, Sequence
from math import nan

from ..backends import use_backend
from ..backends.base import DTYPES, Backend, first_line
from ..backends.selection import allow, widest
from .derivatives import derivatives
from .finding import Finding
from .keeping import keeping
from .placement import placement
from .training import training

CHECKS: tuple[Callable[[Backend], Iterator[Finding]], ...] = (
    training,
    keeping,
    placement,
    derivatives,
)


def checked(places: Sequence[str]) -> Iterator[tuple[str, list[Finding]]]:
    """Run every check on every backend; yield it with what was found, once a dtype.

    Parameters
    ----------
    places : sequence of str
        Backends as `xpnn.use_backend` takes them. Of one without float64 only float32 is checked.
        With jax, float64 is switched on for the whole process, after the float32 of all.
    """
    for dtype in DTYPES:
        for place in places:
            allow(place, dtype)
            if widest(place, dtype).dtype_name == dtype:
                yield place, _found(place, dtype)


def _found(place: str, dtype: str) -> list[Finding]:
    found: list[Finding] = []
    with use_backend(place, dtype) as backend, backend.current():
        for check in CHECKS:
            try:
                found.extend(check(backend))
            except Exception as error:  # noqa: BLE001  whatever a library raises, the others go on
                found.append(Finding(f"{check.__name__}, {dtype}", nan, 0.0, first_line(error)))
    return found
