"""`checked`: every check on every backend."""

from collections.abc import Callable, Iterator, Sequence
from math import nan
from typing import NamedTuple

from .._backends.base import DTYPES, Backend
from .._backends.selection import resolve_for_process, use_backend
from ..exceptions import BackendError, first_line
from .derivatives import derivatives
from .finding import Finding
from .functions import functions
from .keeping import keeping
from .placement import placement
from .training import training

CHECKS: tuple[Callable[[Backend], Iterator[Finding]], ...] = (
    functions,
    training,
    keeping,
    placement,
    derivatives,
)
REMEDY = "Try another version of the library, or of the driver."


class Checked(NamedTuple):
    """What all checks found on one backend in one dtype."""

    spec: str
    findings: list[Finding]
    left_out: str
    """Why there are none, if the device has no float64."""


def checked(specs: Sequence[str]) -> Iterator[Checked]:
    """Run every check on every backend, first in float32, then in float64.

    Parameters
    ----------
    specs : sequence of str
        Backends as `xpnn.use_backend` takes them. With jax, float64 is switched on for the whole
        process, after the float32 of all.
    """
    for dtype in DTYPES:
        for spec in specs:
            try:
                resolve_for_process(spec, dtype)
            except BackendError as error:
                if dtype == "float64":
                    yield Checked(spec, [], f"{spec} in float64: {error}")
                else:
                    yield Checked(spec, [Finding("computes", nan, 0.0, str(error))], "")
            else:
                yield Checked(spec, _found(spec, dtype), "")


def _found(spec: str, dtype: str) -> list[Finding]:
    found: list[Finding] = []
    with use_backend(spec, dtype) as backend, backend.current():
        for check in CHECKS:
            try:
                found.extend(check(backend))
            except Exception as error:  # noqa: BLE001  whatever a library raises, the others go on
                what = f"{check.__name__}, {dtype}"
                found.append(Finding(what, nan, 0.0, f"It raised {first_line(error)}. {REMEDY}"))
    return found
