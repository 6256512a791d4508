"""Trainings killed with SIGKILL at random moments, resumed, and compared with one never killed.

``python tests/programs/kill_training.py`` kills `xpnn.fit` and `xpnn.MLPClassifier` 20 times each,
which write a checkpoint after every epoch. It prints the moments and exits with 0 if the parameters
and the history come out bit for bit the same. ``--kills 5 --seed 1`` for fewer and others.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

import xpnn
from xpnn.files import container

KINDS = ("fit", "MLPClassifier")
M, N_X, N_H, N_Y = 512, 128, 256, 10


# ---- the process that is killed --------------------------------------------------------------


class TimedCheckpoint(xpnn.Checkpoint):
    """A checkpoint that adds up the seconds it takes."""

    seconds = 0.0

    def write(self, state, identity):
        """Write as ever, with a clock in hand."""
        began = time.perf_counter()
        super().write(state, identity)
        TimedCheckpoint.seconds += time.perf_counter() - began


def announce(report):
    """Say which epoch is complete; its checkpoint comes next."""
    print(report.epoch, flush=True)


def train(kind, epochs, checkpoint):
    """Train with a checkpoint; return everything that must be the same in the end."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((N_X, M)), rng.integers(N_Y, size=M)
    if kind == "fit":
        net = xpnn.Network([N_X, N_H, N_Y])
        params, history = xpnn.fit(
            net,
            net.init(rng=0),
            X,
            y[None],
            optimizer=xpnn.optimizers.adam(xpnn.schedules.exponential_decay(0.01, 0.99)),
            epochs=epochs,
            batch_size=48,
            callbacks=[announce],
            checkpoint=checkpoint,
        )
        curves = [history.cost, history.learning_rate]
        return [a for layer in params for a in layer], curves
    model = xpnn.MLPClassifier(
        N_H,
        batch_size=48,
        max_iter=epochs,
        early_stopping=True,
        n_iter_no_change=np.inf,
        random_state=0,
        callbacks=[announce],
        checkpoint=checkpoint,
    ).fit(X.T.astype(np.float32), y)
    return model.coefs_ + model.intercepts_, [model.loss_curve_, model.validation_scores_]


def be_killed(kind, epochs, path, result):
    """Train; a process that comes to the end leaves what it has learnt."""
    if kind != "fit":
        getattr(xpnn, kind)  # imports scikit-learn, before the clock starts
    began = time.perf_counter()
    params, curves = train(kind, int(epochs), TimedCheckpoint(path, resume=True))
    seconds = time.perf_counter() - began, TimedCheckpoint.seconds
    container.write(
        result,
        "result",
        {"curves": curves, "seconds": seconds},
        {f"a{i}": a for i, a in enumerate(params)},
    )


# ---- the process that kills ------------------------------------------------------------------


class Kill(NamedTuple):
    """One moment."""

    began: int
    """First epoch of the process: after that of the checkpoint it found."""
    told: int
    """Last epoch that it announced."""
    delay: float
    """Seconds from the announcement of the epoch that was drawn, or a later one, to the kill."""
    halfway: bool
    """Whether a temporary file was left: the kill fell into a write."""
    kept: int
    """Epoch of the checkpoint that was there afterwards."""


def start(*arguments):
    """Start this file as a process to be killed, with one BLAS thread."""
    one_thread = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", __file__, "--child", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | one_thread,
    )


def finish(*arguments):
    """Let a process come to the end; return the epochs that it announced."""
    with start(*arguments) as process:
        told = [int(line) for line in process.stdout]
    if process.returncode:
        raise SystemExit(f"the training failed: {arguments}")
    return told


def kill(epoch, delay, *arguments):
    """Kill a process a while after it has come to an epoch; return the epochs it announced."""
    told = []
    with start(*arguments) as process:
        for line in process.stdout:
            told.append(int(line))
            if told[-1] >= epoch:
                time.sleep(delay)
                process.kill()
                told += map(int, process.stdout.read().split())
                break
    if process.returncode == 0:
        raise SystemExit(f"the training ended before it was killed in epoch {epoch}")
    return told


def leftovers(path):
    """Return the temporary files beside a checkpoint."""
    return list(path.parent.glob(f".{path.name}.*.tmp"))


def run(kind, kills, epochs, seed, folder):
    """Train once without a kill and once with many.

    Returns
    -------
    moments : list of Kill
    whole, resumed : Contents
        What the two have learnt, and the seconds they took, those for writing among them.
    """
    folder = Path(folder)
    finish(kind, epochs, folder / "whole.safetensors", folder / "whole")
    whole = container.read(folder / "whole", ("result",))
    rng = np.random.default_rng(seed)
    path, result = folder / "killed.safetensors", folder / "resumed"
    moments, kept = [], 0
    for epoch in np.sort(rng.choice(np.arange(2, epochs - 4), kills, replace=False)):
        delay = rng.uniform(0.0, whole.content["seconds"][0] / epochs)
        told = kill(epoch, delay, kind, epochs, path, result)
        assert told[0] == kept + 1, f"resumed at {told[0]}, not after {kept}"
        kept = container.read(path, ("checkpoint",)).content["epoch"]
        assert kept in (told[-1] - 1, told[-1]), f"{told[-1]} announced, {kept} kept"
        moments.append(Kill(told[0], told[-1], delay, bool(leftovers(path)), kept))
    assert finish(kind, epochs, path, result) == list(range(kept + 1, epochs + 1))
    assert not leftovers(path)
    return moments, whole, container.read(result, ("result",))


def same(whole, resumed):
    """Whether two results are the same bit for bit."""
    return whole.content["curves"] == resumed.content["curves"] and all(
        np.array_equal(whole.tensors[name], a) for name, a in resumed.tensors.items()
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        be_killed(*arguments.child)
        return 0
    equal = []
    for kind in KINDS:
        with TemporaryDirectory() as folder:
            results = run(kind, arguments.kills, arguments.epochs, arguments.seed, folder)
        moments, whole, resumed = results
        equal.append(same(whole, resumed))
        seconds, writing = whole.content["seconds"]
        print(f"\n{kind}: {arguments.epochs} epochs in {seconds:.1f} s, {writing:.1f} s of writing")
        print("kill  began  announced  ms later  cut a write  kept")
        for i, moment in enumerate(moments, 1):
            began, told, delay, halfway, kept = moment
            cut = "yes" if halfway else "no"
            print(f"{i:<4}  {began:<5}  {told:<9}  {1e3 * delay:<8.1f}  {cut:<11}  {kept}")
        print(f"bit for bit the same as never killed: {'yes' if equal[-1] else 'NO'}")
    return 0 if all(equal) else 1


if __name__ == "__main__":
    sys.exit(main())
