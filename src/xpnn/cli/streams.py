"""Standard streams: people read them, on a terminal that obeys; and they may be closed or full."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import TextIOBase, TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from .._terminal import escaped, escaped_lines


class Screen(TextIOBase):
    """A stream for people: control characters are escaped, and a failing write ends no work.

    What cannot be written is dropped, as if the stream were the null device: the disk is full,
    nobody reads any more. A report of a training matters less than the training. JSON goes here
    too: a program notices when the end of it is missing. A CSV without its last rows looks whole,
    so `predict` writes to the ``raw`` stream.
    """

    def __init__(self, raw: TextIO) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        """Write the text, or drop it."""
        with suppress(OSError, ValueError):  # ValueError: it is closed
            self.raw.write(escaped_lines(text))
        return len(text)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the raw stream."""
        return self.raw.encoding

    @property
    def buffer(self) -> BinaryIO:
        """The raw stream of bytes, for libraries that write those."""
        return self.raw.buffer

    def flush(self) -> None:
        """Write the buffer at once, or drop it."""
        with suppress(OSError, ValueError):
            self.raw.flush()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        with suppress(OSError, ValueError):
            return self.raw.isatty()
        return False

    def fileno(self) -> int:
        """Return the descriptor."""
        return self.raw.fileno()


@contextmanager
def screens() -> Iterator[None]:
    """Make a `Screen` of standard output and of the stream of errors, in the block."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        # closed, or a program without a window: no other file may get the number 0, 1 or 2
        if getattr(sys, name) is None:
            null = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115  for good
            setattr(sys, name, null)
    streams = sys.stdout, sys.stderr
    waited = [_prepare(stream) for stream in streams]
    with redirect_stdout(Screen(streams[0])), redirect_stderr(Screen(streams[1])):
        try:
            yield
        finally:
            for stream, waits in zip(streams, waited, strict=True):
                _leave(stream, waits=waits)


def raw_stream(screen: Any) -> TextIO:
    """Return the stream that a `Screen` writes to, which may fail and escapes nothing."""
    stream: TextIO = getattr(screen, "raw", screen)
    return stream


def say(*lines: object) -> None:
    """Print at once: a text as one line, whatever is in it, a table or the like as its lines."""
    shown = (escaped(line) if isinstance(line, str) else line for line in lines)
    print(*shown, sep="\n", flush=True)


def say_json(found: Any) -> None:
    """Print one JSON object in ASCII that terminals print."""
    say(json.dumps(found, allow_nan=False).replace("\x7f", r"\u007f"))


def _prepare(stream: Any) -> bool:
    """Make a stream escape letters it lacks, and block; return whether it blocked before."""
    with suppress(OSError, ValueError, AttributeError):
        if isinstance(stream, TextIOWrapper):  # names are shown where the terminal lacks letters
            stream.reconfigure(errors="backslashreplace")
        waits = os.get_blocking(stream.fileno())
        os.set_blocking(stream.fileno(), True)  # a pipe that does not wait would lose text
        return waits
    return True


def _leave(stream: Any, *, waits: bool) -> None:
    """Let Python find nothing at its end that it cannot write; others may have the same pipe."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            number, null = stream.fileno(), os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, number)
            os.close(null)
    if not waits:
        with suppress(OSError, ValueError):
            os.set_blocking(stream.fileno(), False)
