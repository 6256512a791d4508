"""``xpnn bench``: how fast the backends are on this machine."""

import argparse

from .. import demos
from .._table import Table
from ..backends.selection import places, resolve
from ..bench import WORKLOADS, conditions, throughput


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.description = (
        "Time loops against vectorised calls, and how many examples a second a "
        "network is trained on, on every backend that works here."
    )
    parser.add_argument("--backend", help="train on this one only")


def run(arguments: argparse.Namespace) -> None:
    """Time, and print tables."""
    specs = places() if arguments.backend is None else [resolve(arguments.backend, "float32").spec]
    (loops,) = demos.vectorization().tables
    print(f"{loops}\n", flush=True)
    rows = [
        (workload.name, *(f"{throughput(workload, spec):,.0f}" for spec in specs))
        for workload in WORKLOADS
    ]
    print(Table(("training, examples a second", *specs), rows))
    print("\n" + "\n".join(conditions()))
