"""What tests ask of this machine, and how they hand arrays over and read them back."""

import os
import shutil
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import xpnn
from xpnn._backends import selection

SPECS = (
    "numpy",
    "array_api_strict:CPU_DEVICE",
    "array_api_strict:device1",
    "array_api_strict:device2",
    "array_api_strict:no_float64",
    "array_api_strict:no_x64",
    "torch",
    "torch:cuda",
    "jax",
    "jax:gpu",
    "cupy",
)
OTHER_STRICT = tuple(spec for spec in SPECS if spec.startswith("array_api_strict:"))[1:]
"""What only the whole suite runs on."""
NO_FLOAT64 = ("array_api_strict:no_float64", "array_api_strict:no_x64")
NAMES = ("numpy", "cupy", "torch", "jax", "array_api_strict")
HOLD_SPECS = ("backend", "backend64", "place", "spec", "specs")
"""The parameters of tests that hold the backends they run on."""


@cache
def unusable(spec, dtype="float32"):
    """Return why a backend cannot be used here, or None."""
    try:
        xpnn.set_backend(spec, dtype)
    except (xpnn.BackendError, xpnn.ArgumentError) as error:
        return str(error)
    finally:
        selection._default = None
    return None


@cache
def usable(dtype="float32"):
    """Return the backends that have this dtype here."""
    specs = [spec for spec in SPECS if dtype == "float32" or spec not in NO_FLOAT64]
    return [spec for spec in specs if unusable(spec, dtype) is None]


def specs_of(item):
    """Return the backends a test runs on: what its parameters of these names hold."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    held = [params[name] for name in HOLD_SPECS if isinstance(params.get(name), str | tuple | list)]
    specs = [spec for value in held for spec in ([value] if isinstance(value, str) else value)]
    assert {spec.partition(":")[0] for spec in specs} <= {*NAMES}, item.nodeid
    return specs


def wanted(config, specs):
    """Whether the options ask for a test on these backends: NumPy may be beside others."""
    names = tuple(config.getoption("--backend")) or ("",)
    asked = [spec for spec in specs if spec.startswith(names)]
    others = set(specs) - {*asked, "numpy"}
    return bool(asked) and not others and (config.getoption("--whole") or not only_whole(specs))


def only_whole(specs):
    """Whether only the whole suite has a test on these backends."""
    return len(specs) == 1 and specs[0] in OTHER_STRICT


def chosen(config, dtype="float32"):
    """Return the usable backends that the options ask for."""
    return [spec for spec in usable(dtype) if wanted(config, [spec])]


def mpiexec():
    """Return the mpiexec beside this Python, or the one of the system, or None."""
    beside = str(Path(sys.executable).parent)
    return shutil.which("mpiexec", path=os.pathsep.join([beside, os.environ.get("PATH", "")]))


@cache
def missing_mpi():
    """Return why programs of several processes cannot be run here, or None."""
    if find_spec("mpi4py") is None:
        return "mpi4py is not installed: pip install 'xpnn[mpi]'"
    if mpiexec() is None:
        return "there is no mpiexec: pip install 'xpnn[mpi]'"
    program = "from mpi4py import MPI; import os; os.write(1, b'%d' % MPI.COMM_WORLD.Get_size())"
    command = [mpiexec(), "-n", "2", sys.executable, "-c", program]
    tried = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if tried.stdout.strip() != "22":
        return f"{mpiexec()} starts no processes that see each other: {tried.stdout}{tried.stderr}"
    return None


def read_only(a, dtype=None):
    """Return a NumPy copy that cannot be written to: nothing may alter its input."""
    a = np.array(a, dtype=dtype)
    a.flags.writeable = False
    return a


def to_numpy(backend, tree):
    """Return an array, or a tuple of `Layer`, on the host."""
    if isinstance(tree, tuple):
        return tuple(xpnn.Layer(*map(backend.to_numpy, layer)) for layer in tree)
    return backend.to_numpy(tree)


def python(code, **environment):
    """Run code in a fresh interpreter; return the completed process."""
    command = [sys.executable, "-W", "error", "-c", code]
    environment = os.environ | environment
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def last_line(text):
    return text.strip().splitlines()[-1]
