"""SIGTERM and SIGHUP: a time limit, an eviction, a closed connection; they end work as Ctrl-C does.

Only where they have their defaults: `nohup` and the handlers of others stay.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any

ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
DEFAULTS: dict[int, Any] = {signal.SIGINT: signal.default_int_handler}
DEFAULTS |= dict.fromkeys(ENDING, signal.SIG_DFL)
arrived: list[signal.Signals] = []
"""The first signal that has come in a block of `as_ctrl_c`."""
dropped: list[type[BaseException]] = []
"""What Python has dropped in a block of `keeping_dropped`."""


class InterruptedBySignal(KeyboardInterrupt):
    """Ctrl-C, or a signal that ends work in the same way.

    Python ends by SIGINT, whatever its exit status, once a plain ``KeyboardInterrupt`` has passed
    through `exec`, as in many an import.
    """


class EndedBySignal(BaseException):
    """A signal ends the work at once. Neither `fit` nor `AsBackendError` catches this."""


@contextmanager
def as_ctrl_c(*, at_once: bool = False) -> Iterator[None]:
    """Let SIGTERM and SIGHUP act like Ctrl-C in the block, and note which signal comes first.

    Later ones do nothing, but for Ctrl-C: what the first has begun has to be finished, and senders
    repeat themselves, as `timeout` and shells do.

    Parameters
    ----------
    at_once : bool
        Nothing in the block is worth keeping: raise `EndedBySignal`.
    """
    ours = [number for number in DEFAULTS if _is_default(number)]
    owner = os.getpid()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:  # in a child that was forked in the block
            _default(number)
            return
        first = not arrived
        if first:
            arrived.append(signal.Signals(number))
        if at_once:
            raise EndedBySignal
        if number == signal.SIGINT:
            raise InterruptedBySignal
        if first:
            _ctrl_c(frame)

    try:
        try:
            for number in ours:
                signal.signal(number, interrupt)
            yield
        finally:
            _give_back(ours)
    finally:
        _give_back(ours)  # again: Ctrl-C may have cut it short


@contextmanager
def as_ctrl_c_then_end() -> Iterator[None]:
    """Like `as_ctrl_c`; a SIGTERM or SIGHUP that came ends the process after the block."""
    came: list[signal.Signals] = []
    try:
        with as_ctrl_c():
            try:
                yield
            finally:
                came += arrived
    finally:
        for number in came:
            if _is_default(number) and number in ENDING:
                _default(number)


@contextmanager
def deferring(defer_errors: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Run signal handlers under ``defer_errors()`` in the block, which keeps what they raise."""
    if not _in_main_thread():
        yield
        return
    present = {number: signal.getsignal(number) for number in DEFAULTS}
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


@contextmanager
def keeping_dropped() -> Iterator[None]:
    """Keep for `raise_if_arrived` a ``KeyboardInterrupt`` that Python drops in the block.

    Python drops what is raised in a finalizer or in a callback of the garbage collector. JAX has
    such a callback.
    """
    if not _in_main_thread():
        yield
        return
    present = sys.unraisablehook

    def keep(unraisable: Any) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            dropped.append(unraisable.exc_type)
        else:
            present(unraisable)

    try:
        try:
            sys.unraisablehook = keep
            yield
        finally:
            sys.unraisablehook = present
            dropped.clear()
    finally:
        sys.unraisablehook = present  # again: Ctrl-C may have cut it short
        dropped.clear()


def raise_if_arrived() -> None:
    """Raise the ``KeyboardInterrupt`` that a finalizer or a callback has swallowed."""
    if (arrived or dropped) and _in_main_thread():
        raise KeyboardInterrupt


def interrupted_by() -> signal.Signals:
    """Return the signal that has come; SIGINT, that of Ctrl-C, if it has not been noted."""
    return arrived[0] if arrived else signal.SIGINT


def status() -> int:
    """Return the exit status of interrupted work, as shells have it: 130 after Ctrl-C."""
    return 128 + interrupted_by()


def exit_status(error: BaseException) -> int:
    """Return the exit status of a process that an exception ends."""
    if isinstance(error, KeyboardInterrupt):
        return status()
    code = error.code if isinstance(error, SystemExit) else 1
    return code if isinstance(code, int) else int(code is not None)


def _give_back(numbers: list[int]) -> None:
    for number in numbers:
        signal.signal(number, DEFAULTS[number])
    if numbers:
        arrived.clear()


def _is_default(number: int) -> bool:
    return _in_main_thread() and signal.getsignal(number) is DEFAULTS[number]


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _default(number: int) -> None:
    """Run the default action of the signal."""
    signal.signal(number, DEFAULTS[number])
    signal.raise_signal(number)


def _ctrl_c(frame: FrameType | None) -> None:
    """Call the present handler of Ctrl-C, which may wait for other ranks."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):
        raise InterruptedBySignal
    handler(signal.SIGINT, frame)
