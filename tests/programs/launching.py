"""Programs of several processes, started as a user starts them. A deadlock is a timeout."""

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests.helpers import mpiexec
from tests.programs import mpi_programs as programs
from xpnn._backends.threads import SETTINGS

TIMEOUT = 240.0
STARTED = ("PMI", "OMPI", "SLURM", "HYDRA")  # how variables of an MPI that has started us begin


class Job(NamedTuple):
    """A program that has come to its end."""

    status: int
    out: str
    err: str
    folder: Path

    @property
    def returned(self):
        """What the function has returned, on each rank; of a job that went well."""
        assert self.status == 0, self.err
        files = [path for path in self.folder.iterdir() if path.name.isdigit()]
        return [pickle.loads(path.read_bytes()) for path in sorted(files)]


def environment(**variables):
    """Return variables for a new process, in which BLAS has one thread unless they say more."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith((*STARTED, "XPNN"))}
    given = {**dict.fromkeys(SETTINGS, "1"), "JAX_PLATFORMS": "cpu", **variables}
    for name in SETTINGS:
        kept.pop(name, None)
    return kept | {k: v for k, v in given.items() if v is not None}


def command(n, name, folder, *arguments):
    np.save(folder / "X.npy", programs.X.T)
    program = [sys.executable, programs.__file__, name, folder, *arguments]
    return list(map(str, [mpiexec(), "-n", n, *program]))


def start(words, **variables):
    """Start a command in a session of its own, where signals find nobody else."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        words, **pipes, text=True, env=environment(**variables), start_new_session=True
    )


def finish(process, folder, timeout=TIMEOUT):
    """Wait for a process; a test fails whose process does not end."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.terminate()  # mpiexec ends its ranks
        try:
            _, err = process.communicate(timeout=10.0)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            err = "killed"
        pytest.fail(f"not at an end after {timeout} s: a deadlock?\n{err}")
    return Job(process.returncode, out, err, folder)


def launch(n, name, folder, *arguments, timeout=TIMEOUT, **variables):
    """Run a program on n ranks."""
    return finish(start(command(n, name, folder, *arguments), **variables), folder, timeout)
