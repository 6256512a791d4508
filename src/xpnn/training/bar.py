"""A progress bar that leaves nothing behind in the process."""

import os
from functools import cache
from threading import RLock
from typing import Any


def progress_bar(total: int, **options: Any) -> Any:
    """Return a tqdm, for a terminal: where nobody looks, none should be made."""
    return _Bar()(total=total, miniters=1, **options)


@cache
def _Bar() -> Any:
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        """Without tqdm's thread, and without its lock that all processes share."""

        monitor_interval = 0
        _lock = RLock()

    if hasattr(os, "register_at_fork"):  # another thread may hold it, which a child has not
        os.register_at_fork(after_in_child=lambda: Bar.set_lock(RLock()))
    return Bar
