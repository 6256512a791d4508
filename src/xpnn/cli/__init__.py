"""The command line, ``xpnn`` or ``python -m xpnn``.

One module a command; each has ``add_parser(commands)``, which sets ``run`` as the
function that the parsed arguments go to. It returns True if Ctrl-C cut it short.

`reading` reads DATA, `targets` says what is to be learnt from it, `fitting` trains, `models` is
what was trained, `describe` words all of it.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from io import TextIOWrapper
from typing import NoReturn

from ..errors import XpnnError
from . import backends, bench, demo, evaluate, export, info, predict, train

COMMANDS = (train, predict, evaluate, info, export, backends, demo, bench)
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message and leave with status 2."""
        self.exit(2, f"xpnn: error: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 2 after an error (told in one line), or 130 after Ctrl-C."""
    parser = Parser(prog="xpnn", description="Neural networks on NumPy, CuPy, PyTorch and JAX.")
    parser.add_argument("--version", action="version", version=f"xpnn {version('xpnn')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    for subparser in commands.choices.values():
        subparser.add_argument("--debug", action="store_true", help="show where an error came from")
    arguments = parser.parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # names are shown where the terminal lacks letters
            stream.reconfigure(errors="backslashreplace")
    try:
        stopped = arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has had enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001  whatever it is, it is told in one line
        if arguments.debug:
            traceback.print_exc()
        print(f"xpnn: error: {_one_line(error)}", file=sys.stderr)
        return 2
    return INTERRUPTED if stopped else 0


def _one_line(error: Exception) -> str:
    """Return an error's message in one line, with its type if it is not one of ours."""
    text = " ".join(str(error).split())
    if isinstance(error, XpnnError):
        return text
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or ''}: {error.strerror}".removeprefix(": ")
    return f"{type(error).__name__}: {text} (--debug shows where)"
