"""``xpnn backends``: which backends work here, and why others do not."""

import argparse
from typing import Any

from .._table import Table
from ..backends import backends


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("backends", help="list the backends and their devices")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the status table."""
    rows = [
        (
            status.name,
            status.installed or "-",
            "yes" if status.usable else "no",
            ", ".join(status.devices) or "-",
            status.reason,
        )
        for status in backends()
    ]
    print(Table(("backend", "installed", "usable", "devices", "reason"), rows))
