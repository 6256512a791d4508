"""Which backends work on this machine, and why others do not."""

from dataclasses import dataclass

from ..exceptions import XpnnError
from . import registry


@dataclass(frozen=True)
class BackendStatus:
    """What is known of one backend on this machine; see `xpnn.backends`.

    Attributes
    ----------
    name : str
    installed : str or None
        The version of the library, None if it is not installed.
    usable : bool
    devices : tuple of str
        What may follow ``name:`` in `xpnn.set_backend`.
    reason : str
        Why it is not usable, and the cure; empty if it is.
    """

    name: str
    installed: str | None
    usable: bool
    devices: tuple[str, ...]
    reason: str


def backends() -> tuple[BackendStatus, ...]:
    """Return the status of every known backend: imports each, and tries it out.

    Examples
    --------
    >>> import xpnn
    >>> [status.usable for status in xpnn.backends() if status.name == "numpy"]
    [True]
    """
    return tuple(_status(name) for name in registry.known_names())


def _status(name: str) -> BackendStatus:
    try:
        with registry.AsBackendError(f"backend {name!r} cannot be used"):
            found: BackendStatus = registry.backend_class(name).status()
    except XpnnError as error:
        return BackendStatus(name, None, False, (), str(error))
    return found


def usable_specs(*, testing: bool = False) -> list[str]:
    """Return ``name:device`` for the first device of each kind of every usable backend.

    array-api-strict, whose devices are make-believe and slow, is one of them for testing only.
    """
    found = []
    for status in backends():
        first: dict[str, str] = {}
        for device in status.devices:
            first.setdefault(device.partition(":")[0], device)
        if status.name == "array_api_strict":
            first = {"": "CPU_DEVICE"} if testing else {}
        if status.usable:
            found += [f"{status.name}:{device}" for device in first.values()]
    return found
