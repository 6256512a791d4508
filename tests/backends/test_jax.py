"""JAX without 64-bit numbers, in a process of its own."""

import json

import numpy as np
import pytest

import xpnn
from tests.helpers import last_line, python

X64_OFF = """
import json
import numpy as np
import xpnn

answers = {}

def attempt(name, function):
    try:
        answers[name] = str(function())
    except xpnn.XpnnError as error:
        answers[name] = f"{type(error).__name__}: {error}"

def scoped():
    with xpnn.use_backend("jax", dtype="float64") as backend:
        return backend

attempt("use float64", scoped)
backend = xpnn.set_backend("jax")
attempt("still float32", xpnn.get_backend)
attempt("widest", lambda: backend.asarray([2**31 - 1]).dtype)
attempt("too wide", lambda: backend.asarray([2**31]))
attempt("uint64", lambda: backend.asarray(np.asarray([2**63], "uint64")))
attempt("float64 becomes", lambda: backend.asarray(np.asarray([0.1])).dtype)
net = xpnn.Network([3, 4, 2])
params = net.init(rng=0)
J = net.cost(params, np.eye(3), [[0, 1, 1]], 0.1, [[1, 2, 0]])
answers["cost"] = [str(J.dtype), float(J)]
attempt("set float64", lambda: xpnn.set_backend("jax:cpu", dtype="float64"))
attempt("asarray", lambda: xpnn.get_backend().asarray(np.asarray([0.1])).dtype)
attempt("use float64 now", scoped)
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def x64_off():
    """What a process says in which nothing has switched JAX's 64-bit arrays on yet."""
    pytest.importorskip("jax")
    done = python(X64_OFF, JAX_ENABLE_X64="0", JAX_PLATFORMS="cpu")
    assert done.returncode == 0, done.stderr
    return json.loads(last_line(done.stdout))


def test_jax_float64_cannot_be_scoped(x64_off):
    assert x64_off["use float64"].startswith("BackendError: ")
    assert "xpnn.set_backend('jax', dtype='float64')" in x64_off["use float64"]
    assert x64_off["still float32"] == "Backend('jax:cpu:0', dtype='float32')"


def test_jax_integers_do_not_wrap(x64_off):
    assert x64_off["widest"] == "int32"
    for wide in ("too wide", "uint64"):
        assert x64_off[wide].startswith("ArgumentError: expected integers from -2147483648")
    assert str(2**31) in x64_off["too wide"]
    assert str(2**63) in x64_off["uint64"]


def test_jax_without_x64_computes_in_float32(x64_off):
    assert x64_off["float64 becomes"] == "float32"
    net = xpnn.Network([3, 4, 2])
    expected = net.cost(net.init(rng=0), np.eye(3), [[0, 1, 1]], 0.1, [[1, 2, 0]])
    assert x64_off["cost"] == ["float32", pytest.approx(float(expected), rel=1e-6)]


def test_set_backend_switches_jax_float64_on(x64_off):
    assert x64_off["set float64"] == "Backend('jax:cpu:0', dtype='float64')"
    assert x64_off["asarray"] == "float64"
    assert x64_off["use float64 now"] == "Backend('jax:cpu:0', dtype='float64')"
