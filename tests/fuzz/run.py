"""Fuzz every reader, one after the other, and print a table of what came of it.

``python tests/fuzz/run.py --seconds 720`` gives each 12 minutes; names of targets after the
options take those alone. Needs atheris and xpnn[data]. Exits with 1 if there are finds; they lie
in ``--finds``, each with its traceback.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from targets import TARGETS

HERE = Path(__file__).parent
HARNESSES = sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.py"))
LIMITS = ("-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1")
EXECUTIONS = re.compile(rb"stat::number_of_executed_units: +(\d+)")
COVERED = re.compile(rb"ft: (\d+)")


class Row(NamedTuple):
    """What came of one target."""

    target: str
    executions: int
    seconds: float
    features: int
    finds: int


def fuzz(name: str, seconds: float, finds: Path, corpus: Path) -> Row:
    """Run a harness until the time is over, again after each hang or death."""
    began, executions, features = time.monotonic(), 0, 0
    for number, seed in enumerate(TARGETS[name].seeds()):
        corpus.joinpath(f"seed{number}").write_bytes(seed)
    kept = [str(folder) for folder in [HERE / "corpus" / name] if folder.is_dir()]
    while (left := seconds - (time.monotonic() - began)) >= 1:
        options = (*LIMITS, f"-max_total_time={int(left)}", f"-artifact_prefix={finds}/{name}-")
        done = subprocess.run(
            [sys.executable, HERE / f"fuzz_{name}.py", *options, corpus, *kept],
            stderr=subprocess.PIPE,
            env={**os.environ, "XPNN_FINDS": str(finds)},
            check=False,
        )
        log = done.stderr
        executions += sum(map(int, EXECUTIONS.findall(log)))
        features = max([features, *map(int, COVERED.findall(log))])
        (finds / f"{name}.log").write_bytes(log[-20_000:])
        if done.returncode and b"stat::" not in log:
            raise SystemExit(log.decode(errors="replace"))
    found = [path for path in finds.glob(f"{name}-*") if path.suffix != ".txt"]
    return Row(name, executions, time.monotonic() - began, features, len(found))


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(HARNESSES))
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--finds", type=Path, default=Path("finds"))
    arguments = parser.parse_args()
    finds = arguments.finds.resolve()
    finds.mkdir(parents=True, exist_ok=True)
    print(f"{'target':12}{'executions':>12}{'seconds':>9}{'features':>10}{'finds':>7}")
    total = 0
    for name in arguments.targets or HARNESSES:
        with TemporaryDirectory() as corpus:
            row = fuzz(name, arguments.seconds, finds, Path(corpus))
        print(
            f"{name:12}{row.executions:12}{row.seconds:9.0f}{row.features:10}{row.finds:7}",
            flush=True,
        )
        total += row.finds
    return bool(total)


if __name__ == "__main__":
    sys.exit(main())
