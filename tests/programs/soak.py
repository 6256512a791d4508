"""Many trainings in one process, whose memory must stay where it is.

``python tests/programs/soak.py`` makes 1,000 fits on NumPy, 1,000 on PyTorch and 1,000 on JAX,
prints the memory before and after, and exits with 1 if it grew. ``--fits 100 --backend numpy`` for
less.
"""

import argparse
import gc
import subprocess
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

import xpnn

GROWTH = 3.0
"""MiB that memory may grow by: the data of 6 fits, of which none may stay."""
WARM_UP = 15
"""Fits after which compiled programs, thread pools and the allocator's reserve are there."""


class Soak(NamedTuple):
    """Memory of the process, in MiB, and how many fits there were between."""

    fits: int
    before: float
    after: float


def memory():
    """Return the memory of this process that is not in files, in MiB."""
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no RssAnon in /proc/self/status")


def work(i, folder):
    """Train on new data of half a MiB by one of the ways there are."""
    rng = np.random.default_rng(i)
    X = rng.standard_normal((256, 512), dtype=np.float32)
    Y = (X[:1] > 0).astype(int)
    path = Path(folder) / "run.safetensors"
    way = i % 5
    if way < 3:
        net = xpnn.Network([256, 8, 1], hidden="tanh", output="sigmoid")
        given = {"epochs": 2, "rng": i, "progress": False}
        if way == 1:
            given["checkpoint"] = xpnn.Checkpoint(path)
        if way == 2:
            given["callbacks"] = [lambda report: report.params]
        params, _ = xpnn.fit(net, net.init(rng=i), X, Y, **given)
        net.score(params, X, Y)
        path.unlink(missing_ok=True)
        return
    model = xpnn.LogisticRegression(max_iter=2) if way == 3 else xpnn.MLPClassifier(8, max_iter=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X.T, Y[0])
    model.predict(X.T)
    model.save(path)
    xpnn.load(path)
    path.unlink()


def soak(fits, spec, warm_up=WARM_UP):
    """Train so often on a backend, and return the memory before and after."""
    with TemporaryDirectory() as folder, xpnn.use_backend(spec), threadpool_limits(1):
        for i in range(warm_up):
            work(i, folder)
        before = memory()
        for i in range(fits):
            work(warm_up + i, folder)
        return Soak(fits, before, memory())


def main():
    """Run from the command line, each backend in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, default=1000)
    parser.add_argument("--backend", action="append")
    arguments = parser.parse_args()
    specs = arguments.backend or ["numpy", "torch", "jax"]
    if len(specs) > 1:
        command = [sys.executable, __file__, "--fits", str(arguments.fits), "--backend"]
        return max(subprocess.run([*command, spec], check=False).returncode for spec in specs)
    (spec,) = specs
    found = soak(arguments.fits, spec)
    growth = found.after - found.before
    print(
        f"{spec}: {found.fits} fits, {found.before:.1f} MiB before and {found.after:.1f} MiB after "
        f"({growth:+.1f} MiB, {1024 * growth / found.fits:+.2f} KiB a fit)",
        flush=True,
    )
    return growth > GROWTH


if __name__ == "__main__":
    sys.exit(main())
