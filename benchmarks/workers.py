"""Processes that time: each side of a comparison has its own, kept for the whole session.

Two libraries in one process disturb each other's threads. A worker gets its environment before it
imports anything, and by default one thread on one core: XLA has no setting for one thread, but
makes as many as there are cores. Nothing but the standard library may be imported here.
"""

import multiprocessing
import os
import traceback
from importlib import import_module
from time import perf_counter, sleep
from typing import NamedTuple
from unittest.mock import patch

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
GPU = {
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # or the first worker takes the whole memory
    "JAX_DEFAULT_MATMUL_PRECISION": "highest",  # the float32 of the others, not TF32
}
WARM_UP = 3  # `fit` on JAX compiles in the first run, and for longer runs in the second
NOT_HERE = ("UnavailableError", "ModuleNotFoundError", "BackendError")
PAUSES = {"1": 0.005, "all": 0.1}  # seconds in which the threads of the other side fall asleep


class UnavailableError(Exception):
    """What is to be timed does not work here; says why."""


class Side(NamedTuple):
    """What a worker times: ``factory``, "module:function", makes it from the arguments."""

    worker: str
    factory: str
    arguments: tuple


class Worker:
    """A process that runs what it is told to, and answers.

    Parameters
    ----------
    threads : "1" or "all"
    """

    def __init__(self, threads):
        self.pause = PAUSES[threads]
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, core(threads)), daemon=True)
        with patch.dict(os.environ):
            for name in THREADS:
                os.environ.pop(name, None)
            os.environ.update(GPU | ({} if threads == "all" else dict.fromkeys(THREADS, "1")))
            self.process.start()
        self.side = self.result = None

    def call(self, function, *arguments):
        """Return what "module:function" returns there."""
        self.connection.send((function, arguments))
        failure, answer = self.connection.recv()
        if failure is not None:
            raise failure(answer)
        return answer

    def prepare(self, side):
        """Make what ``side`` names, and warm it up, unless that was the last; return its result."""
        if side != self.side:
            self.side = None
            self.result = self.call("workers:prepare", side.factory, side.arguments)
            self.side = side
        return self.result

    def run(self):
        """Run once what was prepared, and return the seconds that it took."""
        sleep(self.pause)
        return self.call("workers:run")

    def close(self):
        self.connection.close()
        self.process.join()


def core(threads):
    """Return the core on which all workers run in turn, None for any."""
    if threads == "all" or not hasattr(os, "sched_getaffinity"):
        return None
    return max(os.sched_getaffinity(0))  # the first is the system's favourite


# ---- in the worker ----------------------------------------------------------

prepared = {}


def serve(connection, core):
    """Answer until the other side hangs up."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    while True:
        try:
            name, arguments = connection.recv()
        except EOFError:
            return
        try:
            answer = None, function(name)(*arguments)
        except UnavailableError as reason:
            answer = UnavailableError, str(reason)
        except Exception:  # noqa: BLE001  the asking side raises it
            answer = RuntimeError, traceback.format_exc()
        connection.send(answer)


def function(name):
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


def prepare(factory, arguments):
    prepared.clear()  # before the next takes memory
    prepared["run"] = available(function(factory), *arguments)
    for _ in range(WARM_UP):
        result = prepared["run"]()
    return result


def available(make, *arguments):
    """Return what a function makes, or raise `UnavailableError` if that does not work here."""
    try:
        return make(*arguments)
    except Exception as error:
        kind, reason = type(error).__name__, str(error)
        if kind in NOT_HERE or (kind == "ArgumentError" and "has no device" in reason):
            raise UnavailableError(reason) from error
        raise


def run():
    began = perf_counter()
    prepared["run"]()
    return perf_counter() - began
