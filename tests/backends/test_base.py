"""What each backend moves, compares, computes and refuses."""

import functools
import operator
import pickle
import sys

import numpy as np
import pytest

import xpnn
from tests.helpers import NAMES, SPECS, read_only, unusable
from xpnn._backends import registry, selection
from xpnn._backends.base import Backend
from xpnn._backends.numpy import NumpyBackend
from xpnn.training import step

STRICT = "array_api_strict"


# ---- moving: dtypes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "x",
    [
        [0.5, 1.5],
        (0.5, 1.5),
        *(np.asarray([0.5, 1.5], d) for d in ("f2", "f4", "f8", ">f4", ">f8")),
    ],
    ids=["list", "tuple", "float16", "float32", "float64", "big-endian-32", "big-endian-64"],
)
def test_floats_take_the_dtype_of_the_backend(backend, x):
    a = backend.asarray(x)
    assert type(backend).of(a) == backend
    assert backend.to_numpy(a).tolist() == [0.5, 1.5]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_of_the_backend_itself_take_its_dtype(backend64, dtype):
    a = backend64.asarray(backend64.asarray([0.5, 1.5], dtype))
    assert type(backend64).of(a) == backend64


@pytest.mark.parametrize("x", [[[1, 2]], [[True, False]], [[-1.5]], 3.0, 4])
def test_shapes_stay(backend, x):
    a = backend.asarray(x)
    assert tuple(a.shape) == np.shape(x)
    np.testing.assert_array_equal(backend.to_numpy(a), x)


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i4", ">u2"])
def test_integers_stay_integers(backend, dtype):
    a = backend.asarray(np.asarray([0, 1, 100], dtype))
    assert backend.xp.isdtype(a.dtype, "integral")
    host = backend.to_numpy(a)
    assert host.dtype.isnative
    assert host.tolist() == [0, 1, 100]


def test_booleans_stay_booleans(backend):
    a = backend.asarray([True, False])
    assert backend.xp.isdtype(a.dtype, "bool")
    assert backend.to_numpy(a).tolist() == [True, False]


@pytest.mark.parametrize("x", [[1, 2], [1.0, 2.0], [True, True]])
def test_a_dtype_can_be_asked_for(backend, x):
    for dtype in ("float32", backend.xp.float32):
        assert backend.asarray(x, dtype).dtype == backend.xp.float32
    assert backend.asarray(x, "int32").dtype == backend.xp.int32


def test_an_unknown_dtype_is_an_error(backend):
    with pytest.raises(xpnn.XpnnError, match="flaot32"):
        backend.asarray([1.0], "flaot32")


def test_integers_too_wide_for_the_device():
    backend = xpnn.set_backend(f"{STRICT}:no_x64")
    assert backend.to_numpy(backend.asarray([2**31 - 1, -(2**31)])).tolist() == [
        2**31 - 1,
        -(2**31),
    ]
    for number in (2**31, -(2**31) - 1):
        with pytest.raises(xpnn.ArgumentError) as caught:
            backend.asarray([0, number])
        message = str(caught.value)
        assert all(word in message for word in ("-2147483648", "2147483647", str(number), "no_x64"))
        assert "floats" in message


def test_uint64_too_wide_for_torch():
    pytest.importorskip("torch")
    backend = xpnn.set_backend("torch")
    with pytest.raises(xpnn.ArgumentError, match=f"expected integers .* found .*{2**63 + 5}"):
        backend.asarray(np.asarray([2**63 + 5], "uint64"))


# ---- moving: memory --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "x",
    [
        np.arange(6.0, dtype="float32").reshape(2, 3),
        read_only(np.arange(6.0).reshape(2, 3), "float32"),
        np.arange(6.0, dtype="float32").reshape(3, 2).T,
        np.arange(6.0, dtype="float32").reshape(2, 3)[::-1, ::-1],
        np.arange(12.0, dtype="float32").reshape(2, 6)[:, ::2],
        np.arange(6.0).reshape(2, 3).astype(">f4"),
    ],
    ids=["C", "read-only", "Fortran", "negative strides", "strided", "big-endian"],
)
def test_every_memory_layout_arrives(backend, x):
    for copy in (None, True):
        a = backend.asarray(x, copy=copy)
        assert type(backend).of(a) == backend
        np.testing.assert_array_equal(backend.to_numpy(a), x)


def test_copy_true_does_not_share_memory(backend):
    x = np.zeros(3, "float32")
    a = backend.asarray(x, copy=True)
    b = backend.asarray(a, copy=True)
    x[...] = 1.0
    assert backend.to_numpy(a).tolist() == [0.0] * 3
    if backend.name != "jax":  # immutable
        a += 2.0
        assert x.tolist() == [1.0] * 3
        assert backend.to_numpy(b).tolist() == [0.0] * 3


def test_arrays_of_the_backend_are_not_copied_without_need(backend):
    a = backend.asarray([1.0, 2.0])
    b = backend.asarray(a)
    if backend.name == "jax":
        assert b is a
    else:
        a += 1.0
        assert backend.to_numpy(b).tolist() == [2.0, 3.0]


def test_to_numpy_of_a_view(backend):
    a = backend.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert type(backend.to_numpy(a)) is np.ndarray
    assert backend.to_numpy(a.T).tolist() == [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]
    assert backend.to_numpy(a[:, 1:]).tolist() == [[2.0, 3.0], [5.0, 6.0]]
    assert backend.to_numpy(backend.xp.sum(a)).shape == ()


def test_to_numpy_of_a_tensor_with_a_gradient():
    torch = pytest.importorskip("torch")
    a = torch.ones(2, requires_grad=True)
    assert xpnn.set_backend("torch").to_numpy(a).tolist() == [1.0, 1.0]
    assert xpnn.set_backend("numpy").asarray(a).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "spec", ["numpy", f"{STRICT}:CPU_DEVICE", f"{STRICT}:device2", "torch", "jax", "cupy"]
)
def test_arrays_travel_between_libraries(backend, spec):
    with xpnn.use_backend(spec) as there:
        floats, integers = there.asarray([[0.5, 1.5], [2.5, 3.5]]), there.asarray([[1, 2]], "int32")
    moved = backend.asarray(floats)
    assert type(backend).of(moved) == backend
    assert backend.to_numpy(moved).tolist() == [[0.5, 1.5], [2.5, 3.5]]
    moved = backend.asarray(integers)
    assert backend.xp.isdtype(moved.dtype, "integral")
    assert backend.to_numpy(moved).tolist() == [[1, 2]]
    again = there.asarray(backend.asarray(floats.T))
    assert there.to_numpy(again).tolist() == [[0.5, 2.5], [1.5, 3.5]]


def test_a_data_frame_travels(backend):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [0.5, 1.5], "b": [1, 2]})
    assert backend.to_numpy(backend.asarray(frame)).tolist() == [[0.5, 1.0], [1.5, 2.0]]


# ---- moving: refused -------------------------------------------------------------------------


REFUSED = {
    "masked": np.ma.masked_array([1.0, 2.0], [False, True]),
    "object": np.asarray([1.0, None], object),
    "string": np.asarray(["1.0", "2.0"]),
    "complex": np.asarray([1.0 + 2.0j]),
    "datetime": np.asarray(["2026-01-01"], "datetime64[D]"),
    "timedelta": np.asarray([1], "timedelta64[s]"),
    "structured": np.zeros(2, [("a", "f4")]),
    "string in a list": ["one"],
    "None": None,
    "None in a list": [1.0, None],
    "complex number": 1j,
    "huge integer": [2**70],
    "ragged": [[1.0], [1.0, 2.0]],
    "dictionary": {"a": 1.0},
}


@pytest.mark.parametrize("kind", sorted(REFUSED))
@pytest.mark.parametrize("dtype", [None, "float32"])
def test_refused(backend, kind, dtype):
    with pytest.raises(xpnn.ArgumentTypeError, match=r"expected .* found|expected a rectangular"):
        backend.asarray(REFUSED[kind], dtype)


def test_a_masked_array_is_told_to_be_filled(backend):
    with pytest.raises(xpnn.ArgumentTypeError, match=r"masked.*x\.filled\(0\.0\)"):
        backend.asarray(REFUSED["masked"])


def test_complex_arrays_of_the_backend_are_refused(backend64):
    a = backend64.xp.asarray([1j], device=backend64.device)
    with pytest.raises(xpnn.ArgumentTypeError, match=r"expected real numbers, found .*complex"):
        backend64.asarray(a)


# ---- identity --------------------------------------------------------------------------------


def test_equality_and_hash(backend):
    same = type(backend).create(backend.device_name)
    assert same == backend
    assert hash(same) == hash(backend)
    assert backend != backend.spec
    others = [spec for spec in SPECS if unusable(spec) is None]
    equal = [spec for spec in others if xpnn.set_backend(spec) == backend]
    assert len(equal) == 1


def test_dtype_is_part_of_equality(backend64):
    assert backend64 != type(backend64).create(backend64.device_name, "float32")


def test_pickle(backend):
    again = pickle.loads(pickle.dumps(backend))
    assert again == backend
    assert type(again) is type(backend)
    assert type(again).of(again.asarray([1.0])) == backend


def test_pickle_keeps_float64(backend64):
    assert pickle.loads(pickle.dumps(backend64)) == backend64


def test_repr_is_what_set_backend_takes(backend):
    assert repr(backend) == f"Backend({backend.spec!r}, dtype='float32')"
    assert xpnn.set_backend(backend.spec, dtype="float32") == backend


# ---- computing -------------------------------------------------------------------------------


def test_synchronize(backend):
    a = backend.asarray([[1.0, 2.0], [3.0, 4.0]])
    b = a @ a
    assert backend.synchronize() is None
    assert backend.to_numpy(b).tolist() == [[7.0, 10.0], [15.0, 22.0]]


def test_current_may_be_nested(backend):
    with backend.current(), backend.current():
        assert backend.to_numpy(backend.asarray([1.0])).tolist() == [1.0]


def test_compile_computes_the_same(backend, monkeypatch):
    if backend.name == "torch":
        torch = sys.modules["torch"]
        # the graph is taken as ever; making machine code of it would need a C++ compiler
        monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))

    def function(a, b):
        return a @ b, backend.xp.sum(a)

    a, b = backend.asarray([[1.0, 2.0]]), backend.asarray([[3.0], [4.0]])
    compiled = backend.compile(function)
    for _ in range(2):
        product, total = compiled(a, b)
        assert type(backend).of(product) == backend
        assert backend.to_numpy(product).tolist() == [[11.0]]
        assert float(total) == 3.0


def test_all_finite_on_jax_under_jit_and_on_another_device(monkeypatch):
    jax = pytest.importorskip("jax")
    with xpnn.use_backend("jax"):
        backend = xpnn.get_backend()
    a = backend.asarray([1.0, np.inf])
    assert jax.jit(lambda a: a * backend.all_finite(a))(a).tolist() == [1.0, np.inf]  # not read
    monkeypatch.setattr(type(backend), "_shares_host_memory", lambda self, a: False)
    assert backend.all_finite(a) is False
    assert backend.all_finite(a[:1]) is True


def test_fit_on_torch_compiles_nothing(monkeypatch):
    """It would take a C++ compiler, and seconds for each network."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "compile", None)
    for cache in (step.joining, step.cutting, step.run_by_steps):
        cache.cache_clear()
    with xpnn.use_backend("torch"):
        net = xpnn.Network([2, 3, 1], output="sigmoid")
        xpnn.fit(net, net.init(), [[0.0, 1.0]] * 2, [[0.0, 1.0]], epochs=2)


def test_contiguous(backend):
    a = backend.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    rows = backend.contiguous(a.T)
    assert backend.to_numpy(rows).tolist() == [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]
    if backend.name in ("numpy", "cupy"):
        assert rows.flags.c_contiguous
    if backend.name == "torch":
        assert rows.is_contiguous()


def test_all_true(backend):
    xp = backend.xp
    assert backend.all_true(backend.asarray([[1.0, 2.0]]) > 0.0) is True
    assert backend.all_true(backend.asarray([[1.0, -2.0]]) > 0.0) is False
    assert backend.all_true(xp.isfinite(xp.sum(backend.asarray([1.0])))) is True


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_all_finite(backend, value):
    a = np.ones((3, 5), dtype=np.float32)
    assert backend.all_finite(backend.asarray(a)) is True
    a[1, 3] = value
    assert backend.all_finite(backend.asarray(a)) is False
    assert backend.all_finite(backend.asarray(a).T[:3, :]) is True


def test_index_dtype_is_what_take_wants(backend):
    rows = backend.asarray([[1.0], [2.0], [3.0]])
    indices = backend.asarray([2, 0], backend.index_dtype)
    taken = backend.xp.take(rows, indices, axis=0)
    assert backend.to_numpy(taken).tolist() == [[3.0], [1.0]]


def walk(carry, data, arrays, numbers, xp):
    """A step that uses all it is given, and overwrites its carry where that is possible."""
    x, total = carry
    (rows,) = data
    indices, weights = arrays
    alpha, beta = numbers
    taken = xp.take(rows, indices, axis=0)
    x *= beta
    x += alpha * xp.sum(taken * weights.T, axis=0)
    output = xp.sum(x)
    total += output
    return (x, total), output


def walk_by_hand(x, total, rows, indices, weights, numbers):
    outputs = []
    for i, (alpha, beta) in enumerate(numbers):
        x = beta * x + alpha * (rows[indices[i]] * weights[i].T).sum(axis=0)
        total = total + x.sum()
        outputs.append(x.sum())
    return x, total, outputs


@pytest.mark.parametrize("k", [1, 2, 5])
def test_scan_is_a_loop(backend, rng, k):
    x, total, rows = rng.standard_normal(3), np.asarray([0.5]), rng.standard_normal((4, 3))
    indices, weights = rng.integers(0, 4, (k, 2)), rng.standard_normal((k, 1, 2))
    numbers = np.asarray([(0.1 * (i + 1), 1.0 - 0.1 * i) for i in range(k)])
    widths = [2] * (k - 1) + [1]  # the last row is cut, or counts nothing where it is not
    weights[-1, 0, 1] = 0.0 if backend.compiled else np.nan
    carry = (backend.asarray(x, copy=True), backend.asarray(total, copy=True))
    run = backend.scan(functools.partial(walk, xp=backend.xp))
    (x_after, total_after), outputs = run(
        carry, (backend.asarray(rows),), (indices, weights), widths, numbers
    )
    expected = walk_by_hand(x, total, rows, indices, np.nan_to_num(weights), numbers)
    assert outputs.ndim == 1  # JAX's has more entries
    outputs = outputs[:k]
    for actual, reference in zip((x_after, total_after, outputs), expected, strict=True):
        assert type(backend).of(actual) == backend
        np.testing.assert_allclose(backend.to_numpy(actual), reference, rtol=1e-5, atol=1e-6)
    # the caller's arrays are as they were, so a second run gives the same
    for array, before in zip(carry, (x, total), strict=True):
        np.testing.assert_array_equal(backend.to_numpy(array), before.astype("float32"))
    _, again = run(carry, (backend.asarray(rows),), (indices, weights), widths, numbers)
    np.testing.assert_array_equal(backend.to_numpy(again)[:k], backend.to_numpy(outputs))


def test_scan_on_jax_compiles_once_for_runs_of_similar_length():
    jax = pytest.importorskip("jax")
    backend, traced = xpnn.set_backend("jax"), []

    def step(carry, data, arrays, numbers):
        traced.append(len(arrays))
        return (carry[0] + numbers[0],), carry[0]

    run = backend.scan(step)
    for k in (5, 6, 7, 8):  # all padded to 8 rows
        (x,), outputs = run((jax.numpy.float32(0.0),), (), (), [0] * k, np.ones((k, 1)))
        assert float(x) == k
        assert outputs.tolist()[:k] == list(range(k))
    assert len(traced) <= 2  # JAX may look at a loop's body twice while tracing it once


# ---- arrays say where they belong ------------------------------------------------------------


def test_every_array_has_one_owner(backend):
    a = backend.asarray([1.0])
    assert registry.backend_class_of(a) is type(backend)
    assert selection.common_backend({"a": a, "b": a}) == backend
    owners = [name for name in NAMES if registry.backend_class(name).owns(a)]
    assert owners == [backend.name]


@pytest.mark.parametrize(
    "x", [None, 1.0, [1.0], (1.0,), "numpy", object()], ids=lambda x: type(x).__name__
)
def test_what_is_no_array_has_no_owner(x):
    assert registry.backend_class_of(x) is None
    with pytest.raises(xpnn.ArgumentTypeError, match=r"array 2: expected an array, found "):
        xpnn.backend_of(np.zeros(1), x)


def test_arrays_tell_their_backend(backend64):
    a = backend64.asarray([[1.0, 2.0]])
    assert xpnn.backend_of(a) == xpnn.backend_of(a, backend64.xp.abs(a), a) == backend64


def test_backend_of_needs_an_array():
    with pytest.raises(xpnn.ArgumentTypeError, match="at least one array"):
        xpnn.backend_of()


def test_arrays_of_two_backends_have_none_in_common():
    a = np.zeros(1, "float32")
    with xpnn.use_backend(f"{STRICT}:device1") as there:
        b = there.asarray(a)
    with pytest.raises(xpnn.ArgumentTypeError) as caught:
        xpnn.backend_of(a, a, b)
    assert "array 3 is on array_api_strict:device1 (float32)" in str(caught.value)
    assert "array 1 on numpy:cpu (float32)" in str(caught.value)
    assert "init" not in str(caught.value)  # there may be no network
    with pytest.raises(xpnn.ArgumentTypeError, match=r"array 2 is on numpy:cpu \(float64\)"):
        xpnn.backend_of(a, a.astype("float64"))


def test_of_refuses_arrays_of_another_library(backend):
    for name in ("numpy", STRICT):
        with xpnn.use_backend(name) as other:
            a = other.asarray([1.0])
        if name != backend.name:
            with pytest.raises(xpnn.ArgumentTypeError) as caught:
                backend.of(a)
            words = (f"expected an array of {backend.name}, found", type(a).__name__, "backend_of")
            assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("x", [None, 1.0, [1.0], "numpy"], ids=repr)
def test_of_refuses_what_is_no_array(backend, x):
    with pytest.raises(xpnn.ArgumentTypeError, match=f"an array of {backend.name}, found builtins"):
        backend.of(x)


def test_of_knows_an_array_of_a_program_that_is_compiled(backend):
    def double(a):
        assert type(backend).of(a).same_device(backend)
        assert xpnn.backend_of(a).same_device(backend)
        return 2.0 * a

    a = backend.asarray([1.0])
    traced = double(a) if backend.name == "torch" else backend.compile(double)(a)
    assert backend.to_numpy(traced).tolist() == [2.0]


def test_numpy_scalars_belong_to_numpy():
    assert registry.backend_class_of(np.float32(1.0)) is NumpyBackend


def test_a_minimal_backend_needs_no_method_of_its_own():
    class Minimal(Backend):
        name = "minimal"
        module = "array_api_compat.numpy"
        distributions = ("numpy",)
        cure = "pip install numpy"

    backend = Minimal.create()
    assert (backend.spec, backend.dtype_name) == ("minimal:cpu", "float32")
    assert operator.eq(*(float(backend.xp.sum(backend.asarray(x))) for x in ([1.0, 2.0], [3.0])))
