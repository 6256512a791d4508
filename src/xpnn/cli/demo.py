"""``xpnn demo NAME``: show what the notes claim."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import demos
from .._backends.selection import set_backend
from ..demos import Demonstration
from ..exceptions import ArgumentError, unknown_name
from .outputs import check_picture
from .streams import say

DEMOS: dict[str, Callable[[], Demonstration]] = {
    name.replace("_", "-"): getattr(demos, name)
    for name in demos.__all__
    if name != "Demonstration"
}
BACKEND = (
    "where to compute (default: XPNN_BACKEND, else numpy); vectorization runs on all there are"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = "Demonstrations, each with a table and a picture:\n" + "\n".join(
        f"  {name:<14} {_first_line(function)}" for name, function in DEMOS.items()
    )
    parser.add_argument("name", metavar="NAME", nargs="?", default="", help="one of those above")
    parser.add_argument(
        "--plot", metavar="FILE", type=Path, help="write the picture: png, svg, pdf"
    )
    parser.add_argument("--backend", help=BACKEND)


def run(arguments: argparse.Namespace) -> None:
    """Run the demonstration, print it, and save the picture if asked to."""
    if not arguments.name:
        raise ArgumentError(f"NAME: expected one of {', '.join(DEMOS)}.")
    if arguments.name not in DEMOS:
        raise unknown_name("demo", arguments.name, DEMOS)
    if arguments.plot:
        check_picture(arguments.plot)
    if arguments.backend:
        set_backend(arguments.backend)
    shown = DEMOS[arguments.name]()
    say(shown)
    if arguments.plot:
        shown.save(arguments.plot)
        say("", f"picture in {arguments.plot}")


def _first_line(function: Callable[..., Any]) -> str:
    return (function.__doc__ or "").partition("\n")[0].rstrip(".")
