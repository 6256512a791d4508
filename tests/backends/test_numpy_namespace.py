"""The functions that go straight to NumPy: what array-api-compat's give, value and dtype."""

import warnings

import array_api_compat.numpy as compat
import numpy as np
import pytest

from xpnn._backends import numpy_namespace as ours

DTYPES = ("bool", "uint8", "int8", "int32", "int64", "float16", "float32", "float64", ">f4")
SHAPES = (
    (),
    (0, 3),
    (7,),
    (3, 5),
    (4, 200),
    (200, 200),
    (2, ours.MANY),
    (2, ours.MANY + 1),
    (2, 3, 4),
)


def numbers(shape, dtype):
    a = np.random.default_rng(0).uniform(-3.0, 3.0, shape)
    return np.asarray(a).astype(dtype)


def assert_same(found, right, rtol=0.0):
    assert (found.dtype, found.shape) == (right.dtype, right.shape)
    np.testing.assert_allclose(found, right, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("keepdims", [False, True])
def test_sum(shape, dtype, keepdims):
    a = numbers(shape, dtype)
    rtol = {"float16": 2e-2, "float32": 1e-4, ">f4": 1e-4}.get(dtype, 1e-12)
    for axis in (None, *range(len(shape)), -1 if shape else None):
        options = {"axis": axis, "keepdims": keepdims}
        assert_same(ours.sum(a, **options), compat.sum(a, **options), rtol)
    wide = {"dtype": np.float64, "axis": len(shape) - 1 if shape else None}
    assert_same(ours.sum(a, **wide), compat.sum(a, **wide), 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if 0 not in shape])
def test_max(shape, dtype):
    a = numbers(shape, dtype)
    for axis in (None, *range(len(shape))):
        assert_same(ours.max(a, axis=axis), compat.max(a, axis=axis))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
@pytest.mark.parametrize("shape", SHAPES)
def test_maximum(shape, dtype):
    a = numbers(shape, dtype)
    for other in (0.0, -0.0, 0.5, a[::-1] if shape else a):
        assert_same(ours.maximum(a, other), compat.maximum(a, other))


@pytest.mark.parametrize("shape", [(3, 200), (30, 2000)])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_so(bad, shape):
    a = numbers(shape, "float32")
    a[1, 77] = bad
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        others = ours.sum(a, axis=1)[[0, 2]]
        np.testing.assert_allclose(others, a[[0, 2]].sum(axis=1), rtol=1e-5)
        np.testing.assert_array_equal(ours.sum(a, axis=1)[1], bad)
        np.testing.assert_array_equal(ours.maximum(a, 0.0), np.maximum(a, np.float32(0.0)))


def test_astype_and_reshape():
    a = numbers((3, 4), "float64")
    assert ours.astype(a, np.float64) is not a
    assert ours.astype(a, np.float64, copy=False) is a
    assert_same(ours.astype(a, np.float32), compat.astype(a, np.float32))
    with pytest.raises(ValueError, match="device"):
        ours.astype(a, np.float32, device="gpu")
    assert np.shares_memory(ours.reshape(a, (2, 6)), a)
    assert not np.shares_memory(ours.reshape(a, (2, 6), copy=True), a)


def test_long_rows_are_not_kept():
    before = ours._filled.cache_info().currsize
    ours.maximum(numbers((3, ours.MANY + 5), "float32"), 0.25)
    ours.sum(numbers((1, ours.MANY + 5), "float32"), axis=1)
    assert ours._filled.cache_info().currsize == before


def test_the_rest_is_compat():
    for name in ("exp", "matmul", "take", "where", "isdtype", "__array_namespace_info__"):
        assert getattr(ours, name) is getattr(compat, name)
