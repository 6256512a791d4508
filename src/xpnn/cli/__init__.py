"""The command line, ``xpnn`` or ``python -m xpnn``.

One module a command; each has ``add_parser(commands)``, which sets ``run`` as the
function that the parsed arguments go to. It returns True if Ctrl-C cut it short.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from ..errors import XpnnError
from . import backends, demo, train

COMMANDS = (train, backends, demo)
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 2 after an error (told in one line), or 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="xpnn", description="Neural networks on NumPy, CuPy, PyTorch and JAX."
    )
    parser.add_argument("--version", action="version", version=f"xpnn {version('xpnn')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    arguments = parser.parse_args(argv)
    try:
        stopped = arguments.run(arguments)
    except XpnnError as error:
        print(f"xpnn: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has had enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return INTERRUPTED if stopped else 0
