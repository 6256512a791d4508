"""CuPy's own tracing, which needs no GPU, of the functions that `xpnn._backends.cupy_fused` makes.

Each becomes one kernel, of one dtype, that overwrites what the update may overwrite.
"""

import numpy as np
import pytest

from tests.backends.test_cupy_fused import CACHES, RULES
from xpnn._backends import cupy_fused
from xpnn.core import activations, losses

pytest.importorskip("cupy")


def on_no_device(shape, dtype):
    """Return an array of CuPy with an address where nothing is."""
    import cupy

    memory = cupy.cuda.UnownedMemory(2**40, 8 * int(np.prod(shape)), None, 0)
    return cupy.ndarray(shape, dtype, cupy.cuda.MemoryPointer(memory, 0))


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture
def trace(monkeypatch, dtype):
    """Yield the kernels that CuPy makes of fused functions: one of each, all in one dtype."""
    from cupy._core import fusion

    made = []

    def one_kernel(function, *args):
        history = fusion._FusionHistory()
        monkeypatch.setattr(fusion._thread_local, "history", history, raising=False)
        monkeypatch.setattr(fusion._thread_local, "is_old_fusing", True, raising=False)
        try:
            kernel, _ = history.get_fusion(function, args, "kernel")
        finally:
            fusion._thread_local.is_old_fusing = False
        assert history.reduce_op is None
        dtypes = {found.name for op in history.op_list for found in op.submodule.dtypes}
        assert dtypes <= {dtype, "bool"}  # numbers are no reason for double precision
        made.append(kernel)
        return kernel

    for cache in CACHES:
        cache.cache_clear()
    monkeypatch.setattr("cupy.fuse", lambda *, kernel_name: lambda f: lambda *a: one_kernel(f, *a))
    yield made
    for cache in CACHES:
        cache.cache_clear()


@pytest.mark.parametrize("name", sorted(set(activations.ACTIVATIONS) - {"softmax", "identity"}))
def test_cupy_makes_one_kernel_of_an_activation(trace, dtype, name):
    import array_api_compat.cupy as xp

    g = cupy_fused.fused_activation(activations.ACTIVATIONS[name])
    Z, b = on_no_device((3, 4), dtype), on_no_device((3, 1), dtype)
    g.forward(Z, b, xp)
    g.backward(Z, Z, Z, xp)
    forward, backward = trace
    assert [p.is_const for p in forward.in_params] == [False, True]  # Z is overwritten
    assert len(forward.out_params) == 1
    assert [p.is_const for p in backward.in_params] == [False, True, True]  # dA is
    assert backward.no_return


@pytest.mark.parametrize("name", losses.LOSSES)
def test_cupy_makes_one_kernel_of_a_loss(trace, dtype, name):
    import array_api_compat.cupy as xp

    loss = cupy_fused.fused_loss(losses.LOSSES[name])
    A = on_no_device((3, 4), dtype)
    functions = [loss.value, loss.derivative, *([loss.from_logits] if "cat" not in name else [])]
    for function in functions:
        function(A, A, xp)
    assert [len(kernel.out_params) for kernel in trace] == [1] * len(functions)
    assert all(p.is_const for kernel in trace for p in kernel.in_params)


@pytest.mark.parametrize("shape", [(20,), (5, 4)])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_cupy_makes_one_kernel_of_an_update(trace, dtype, rule, shape):
    import array_api_compat.cupy as xp

    theta, g, *state = (on_no_device(shape, dtype) for _ in range(2 + rule.slots))
    scalars = rule.scalars(0.1, 3)
    update = cupy_fused.fused_update(rule.update)
    assert update(theta, g, tuple(state), scalars, xp) == (theta, tuple(state))
    (kernel,) = trace
    overwritten = [not p.is_const for p in kernel.in_params]
    assert overwritten[0]
    assert overwritten[2 : 2 + rule.slots] == [True] * rule.slots
    assert not any(overwritten[2 + rule.slots :])
    assert kernel.no_return
