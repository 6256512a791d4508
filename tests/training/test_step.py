"""One step of training."""

import types

import numpy as np
import pytest

import xpnn
from tests.helpers import unusable
from xpnn._backends.base import Backend
from xpnn._backends.selection import resolve
from xpnn.training.step import make_run


@pytest.mark.parametrize("spec", ["numpy", "torch:cpu", "array_api_strict"])
def test_the_cost_of_a_step_does_not_keep_its_gradient_alive(spec, monkeypatch):
    if unusable(spec):
        pytest.skip(unusable(spec))
    backend = resolve(spec, "float64")
    xp, sums = backend.xp, []
    monkeypatch.setattr(Backend, "scan", lambda backend, step: step)
    monkeypatch.setattr(
        type(backend), "make_allreduce", lambda backend, comm: lambda a: sums.append(a) or a
    )
    net, update = (
        xpnn.Network([3, 4, 1], output="sigmoid"),
        xpnn.optimizers.gradient_descent().update,
    )
    step = make_run.__wrapped__(
        net,
        update,
        backend,
        gather=False,
        weighted=False,
        l2=False,
        comm=types.SimpleNamespace(size=2),
    )
    theta = xp.ones(21, dtype=backend.dtype)
    data = xp.ones((3, 5), dtype=backend.dtype), xp.ones((1, 5), dtype=backend.dtype)
    _, J = step((theta,), data, (), (0.2, 0.0, 0.1))
    assert not np.shares_memory(backend.to_numpy(J), backend.to_numpy(sums[0]))
