"""`audit`: count what goes between host and device, and every wait for the device.

`Backend` calls `record` where that happens, in `asarray`, `async_copies`, `to_numpy`, `number`,
`all_true`, `synchronize` and the `scan` of JAX. Nothing else in this package moves or reads, but
for the numbers that an error message quotes.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from threading import Lock

from ..table import Table

TO_DEVICE = "to device"
TO_HOST = "to host"
READ = "read"
WAIT = "wait"
BACKENDS = Path(__file__).parent
PACKAGE = BACKENDS.parent


class Audit:
    """What has crossed between host and device since an `audit` began.

    Attributes
    ----------
    found : dict
        ``(kind, where)`` -> ``[times, bytes]``. The kinds are ``"to device"`` (host data moved),
        ``"to host"`` (an array moved back), ``"read"`` (one number or truth value read) and
        ``"wait"`` (`Backend.synchronize`); all but the first make the host wait for the device.
        ``where`` is the line that asked for it.
    """

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], list[int]] = {}

    def times(self, *kinds: str) -> int:
        """Return how often it happened, of the given kinds or of all.

        Examples
        --------
        >>> import xpnn
        >>> with xpnn.use_backend("array_api_strict") as backend, xpnn.audit() as audit:
        ...     a = backend.asarray([1.0, 2.0])
        ...     total = backend.number(backend.xp.sum(a))
        >>> audit.times("to device"), audit.times()
        (1, 2)
        """
        counts = self.found.items()
        return sum(times for (kind, _), (times, _) in counts if not kinds or kind in kinds)

    def __repr__(self) -> str:
        rows = [(kind, *counts, where) for (kind, where), counts in sorted(self.found.items())]
        return repr(Table(("what", "times", "bytes", "where"), rows))


_lock = Lock()  # a thread may inherit the context of another, and its audits with it
_audits: ContextVar[tuple[Audit, ...]] = ContextVar("_audits", default=())


@contextmanager
def audit() -> Iterator[Audit]:
    """Count the transfers and synchronisations that this package causes in a block of code.

    It counts those of this thread or task: on the CPU, where they cost little, as on a GPU, but not
    those of NumPy, for which host and device are one. What a library does by itself, or what you do
    with its arrays, is not seen.

    Yields
    ------
    Audit

    Examples
    --------
    >>> import xpnn
    >>> X, Y = xpnn.data.moons()
    >>> net = xpnn.Network([2, 8, 1], output="sigmoid")
    >>> with xpnn.use_backend("array_api_strict"):     # or "cupy"
    ...     params = net.init(rng=0)
    ...     with xpnn.audit() as audit:
    ...         params, history = xpnn.fit(net, params, X, Y, epochs=1, batch_size=32, rng=0)
    >>> audit.times("to host")                         # the costs, all at once
    1
    >>> audit
    what       times  bytes  where
    read       1      1      training/trainer.py:... check_finite
    read       2      2      validation/arrays.py:... check_finite
    read       1      1      validation/targets.py:... check_targets
    to device  1      2560   training/trainer.py:... run
    to device  2      7200   validation/arrays.py:... converted
    to host    1      40     training/trainer.py:... run
    """
    found = Audit()
    token = _audits.set((*_audits.get(), found))
    try:
        yield found
    finally:
        _audits.reset(token)


def record(kind: str, nbytes: int) -> None:
    """Note what is about to happen, in the audits that are on."""
    audits = _audits.get()
    if not audits:
        return
    where = _caller()
    with _lock:
        for each in audits:
            counts = each.found.setdefault((kind, where), [0, 0])
            counts[0] += 1
            counts[1] += nbytes


def _caller() -> str:
    """Return the line outside this package that brought it about."""
    frame = sys._getframe(2)
    while frame.f_back is not None and Path(frame.f_code.co_filename).parent == BACKENDS:
        frame = frame.f_back
    path = Path(frame.f_code.co_filename)
    name = path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else path.name
    return f"{name}:{frame.f_lineno} {frame.f_code.co_name}"
