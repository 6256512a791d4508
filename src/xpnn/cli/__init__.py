"""The command line, ``xpnn`` or ``python -m xpnn``.

One module a command; each has ``add_parser(commands)``, which sets ``run`` as the
function that the parsed arguments go to.
"""

import argparse
import sys
from collections.abc import Sequence

from ..errors import XpnnError
from . import backends, train

COMMANDS = (train, backends)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 2 after an error (told in one line), or 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="xpnn", description="Neural networks on NumPy, CuPy, PyTorch and JAX."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    arguments = parser.parse_args(argv)
    try:
        arguments.run(arguments)
    except XpnnError as error:
        print(f"xpnn: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130  # 128 + SIGINT, as shells have it
    return 0
