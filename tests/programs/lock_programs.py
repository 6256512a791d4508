"""Trainings that hold the lock of a checkpoint: ``python lock_programs.py FILE CALLBACK``.

``wait`` trains until a line comes in, ``fork`` lets a child try the same file, ``orphan`` leaves a
child behind and dies.
"""

import os
import signal
import sys

import numpy as np

import xpnn

X = np.random.default_rng(0).standard_normal((3, 20))
Y = (X[:1] > 0).astype(int)


def train(path, epochs=3, *callbacks):
    """Train, or go on; return how many epochs there have been."""
    net = xpnn.Network([3, 2, 1], output="sigmoid")
    given = {"epochs": epochs, "callbacks": callbacks, "progress": False}
    checkpoint = xpnn.Checkpoint(path, resume=True)
    _, history = xpnn.fit(net, net.init(rng=0), X, Y, checkpoint=checkpoint, **given)
    return len(history)


def wait(path):
    """Say that it trains, and wait for a line."""
    print("training", flush=True)
    sys.stdin.readline()


def fork(path):
    """Let a forked child try the file, and leave the training as a child may."""
    if child := os.fork():
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        return
    try:
        train(path)
    except xpnn.ArgumentError as error:
        sys.exit(3 if f"another process (pid {os.getppid()} on" in str(error) else 4)


def orphan(path):
    """Die at once; a child lives on until its standard input ends."""
    forked, child = os.pipe()
    if os.fork():
        os.read(forked, 1)
        os.kill(os.getpid(), signal.SIGKILL)
    os.write(child, b"!")  # so it has done what Python does in a forked child
    sys.stdin.read()
    os._exit(0)


def main(path, name):
    """Train; in the second epoch something happens."""
    act = {"wait": wait, "fork": fork, "orphan": orphan}[name]
    train(path, 4, lambda report: act(path) if report.epoch == 2 else None)


if __name__ == "__main__":
    main(*sys.argv[1:])
