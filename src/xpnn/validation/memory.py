"""The memory of this machine, compared with what is needed before any is asked for."""

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from ..core.parameters import count
from ..exceptions import ArgumentError, XpnnError


@cache
def host_memory() -> int:
    """Bytes that this process may use; where the system does not tell, more than any has."""
    limits = [2**50]
    with suppress(AttributeError, OSError, ValueError):  # Windows has no sysconf
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, ValueError):  # "max" if a container is not limited
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    with suppress(ImportError):  # Windows
        import resource

        limits.append(resource.getrlimit(resource.RLIMIT_AS)[0])  # -1 without a limit, as ulimit -v
    return min(limit for limit in limits if limit >= 0)


def check_memory(
    needed: int,
    expected: str,
    found: str,
    cure: str,
    error: type[XpnnError] = ArgumentError,
) -> None:
    """Raise unless so many bytes fit into the memory of this machine; `too_large` words it."""
    if needed > host_memory():
        raise error(too_large(needed, expected, found, cure))


def too_large(needed: int, expected: str, found: str, cure: str) -> str:
    """Word the error: ``expected`` is what should fit, ``found`` what takes ``needed`` bytes."""
    there, wanted = (min(n, 2**70) / 1e9 for n in (host_memory(), needed))
    return (
        f"{expected} fit into the memory at hand ({there:,.1f} GB), found {found}, for which "
        f"{wanted:,.1f} GB are needed; {cure}"
    )


def check_layers_fit(name: str, sizes: Sequence[int]) -> None:
    """Raise unless the parameters of layers of these sizes can be drawn on this machine."""
    sizes = tuple(map(int, sizes))  # NumPy's integers overflow
    n = count(sizes)
    check_memory(
        16 * n,  # two float64 each: drawn, and scaled
        f"{name}: expected layers whose parameters",
        f"{list(sizes)} with {n:,} parameters",
        "use fewer units.",
    )
