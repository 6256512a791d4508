"""The command line, ``xpnn`` or ``python -m xpnn``.

One module a command, imported when it is asked for; each has ``add_arguments(parser)`` and
``run(arguments)``, which returns the exit status, None for 0.

`options` says what ``xpnn train`` is asked for, `reading` reads DATA, `targets` says what is to be
learnt from it, `dataset` splits and encodes it, `fitting` trains, `models` is what was trained,
`describe` words all of it.
"""

import argparse
import re
import shlex
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from typing import Any, NoReturn

from .. import _signals
from .._terminal import escaped
from ..exceptions import ArgumentError, ColumnError, XpnnError
from .streams import screens

COMMANDS = {
    "train": "train a network on data, and write the model",
    "predict": "predict with a model",
    "evaluate": "test a model on data with labels",
    "info": "say what a model is",
    "export": "export a model to ONNX",
    "backends": "list the backends and their devices",
    "check": "check that training is right on this machine",
    "demo": "show what the notes claim",
    "bench": "time the backends on this machine",
}


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.color = False  # which Python 3.14 has; a `Screen` escapes the orders for it

    def error(self, message: str) -> NoReturn:
        """Print the message and leave with status 2."""
        self.exit(2, f"xpnn: error: {escaped(message)} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its status, 2 after an error (told in one line), 130 after Ctrl-C.

    SIGTERM and SIGHUP end it as Ctrl-C does, with 143 and 129. Only a training leaves something
    that is kept.
    """
    argv = sys.argv[1:] if argv is None else argv
    status = _signals.status()
    at_once = "train" not in argv[:1]
    with suppress(KeyboardInterrupt), screens(), _signals.as_ctrl_c(at_once=at_once):
        status = _told(argv)
    return status


def _told(argv: Sequence[str]) -> int:
    """Run a command and return its status; tell of an error."""
    try:
        return _run(argv)
    except (KeyboardInterrupt, _signals.EndedBySignal):
        return _signals.status()
    except BrokenPipeError:  # whoever reads what predict writes has had enough, as head has
        return 0
    except Exception as error:  # noqa: BLE001  whatever it is, it is told in one line
        if "--debug" in argv:
            traceback.print_exc()
        print(f"xpnn: error: {one_line(error)}", file=sys.stderr)
        return 2


def _run(argv: Sequence[str]) -> int:
    """Parse the arguments, run the command and return its exit status."""
    parser = Parser(prog="xpnn", description="Neural networks on NumPy, CuPy, PyTorch and JAX.")
    parser.add_argument("--version", action="version", version=f"xpnn {version('xpnn')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        if argv and argv[0] == name:  # of the others, some import scikit-learn for seconds
            module = import_module(f".{name}", __name__)
            module.add_arguments(command)
            command.add_argument(
                "--debug", action="store_true", help="show where an error came from"
            )
    arguments = parser.parse_args(argv)
    status: int | None = import_module(f".{arguments.command}", __name__).run(arguments)
    return status or 0


def one_line(error: Exception) -> str:
    """Return an error's message in one line, with its type if it is not one of ours."""
    if isinstance(error, ColumnError):
        option = "--impute" if error.missing else f"--drop {shlex.quote(error.column)}"
        error = ArgumentError(f"{error.problem} {option}.")
    text = escaped(re.sub(r"[ \n]*\n[ \n]*", " ", str(error).strip("\n")))
    if isinstance(error, XpnnError):
        return text
    if isinstance(error, OSError) and error.strerror:
        return escaped(f"{error.filename or ''}: {error.strerror}".removeprefix(": "))
    return f"{type(error).__name__}: {text} (--debug shows where)"
