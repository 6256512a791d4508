"""``xpnn backends``: which backends work here, and why others do not."""

import argparse

from .._backends.status import backends
from ..table import Table
from .streams import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.description = "List the backends: which work here, on which devices, and why not."


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
    say(Table(("backend", "installed", "usable", "devices", "reason"), rows))
