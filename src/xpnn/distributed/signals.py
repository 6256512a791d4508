"""Signals in a training of several processes, and the exit status that all ranks end with."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

from .. import _signals

SIGNALS = tuple(_signals.DEFAULTS)
"""The signals that end a training, on all ranks at the same step."""


@contextmanager
def deferring(defer_errors: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Run signal handlers under ``defer_errors()`` in the block, which keeps what they raise."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    present = {number: signal.getsignal(number) for number in SIGNALS}
    handlers = {number: handler for number, handler in present.items() if callable(handler)}

    def handle(number: int, frame: FrameType | None) -> None:
        with defer_errors():
            handlers[number](number, frame)

    for number in handlers:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def exit_status(error: BaseException) -> int:
    """Return the exit status of a process that an exception ends."""
    if isinstance(error, KeyboardInterrupt):
        return _signals.status()
    code = error.code if isinstance(error, SystemExit) else 1
    return code if isinstance(code, int) else int(code is not None)
