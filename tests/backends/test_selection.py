"""Choosing a backend: its name, device and dtype, for the process or for a block."""

import asyncio
import functools
import threading
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import xpnn
from tests.fakes.plug_ins import fresh_caches
from tests.helpers import NAMES, last_line, python, unusable
from xpnn._backends import registry, selection
from xpnn._backends.numpy import NumpyBackend

STRICT = "array_api_strict"


# ---- names, devices, dtypes ------------------------------------------------------------------


def test_set_backend_chooses_and_returns_it(backend):
    chosen = xpnn.set_backend(backend.spec)
    assert chosen == backend
    assert chosen.name == backend.spec.partition(":")[0]
    assert selection._default == backend


def test_numpy_in_float32_is_the_default():
    assert repr(xpnn.get_backend()) == "Backend('numpy:cpu', dtype='float32')"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("pytroch", "torch"),
        ("pytorch", "torch"),
        ("pytorch:cuda", "torch"),
        ("np", "numpy"),
        ("nunpy", "numpy"),
        ("NumPy", "numpy"),
        ("cpu", "numpy"),
        ("gpu", "cupy"),
        ("gpu", "torch:cuda"),
        ("cuda", "cupy"),
        ("cuda:0", "jax:gpu"),
        ("cuppy", "cupy"),
        ("jaxx", "jax"),
        ("strict", STRICT),
        ("array-api-strict", STRICT),
        ("automatic", "auto"),
    ],
)
@pytest.mark.parametrize(
    "choose", [xpnn.set_backend, lambda name: xpnn.use_backend(name).__enter__()]
)
def test_a_wrong_name_is_answered_with_the_right_one(choose, wrong, right):
    with pytest.raises(xpnn.ArgumentError) as caught:
        choose(wrong)
    assert repr(wrong) in str(caught.value)
    assert "did you mean" in str(caught.value).lower()
    assert f"'{right}'" in str(caught.value).lower().partition("did you mean")[2]


def test_a_name_like_no_other_is_answered_with_all():
    with pytest.raises(xpnn.ArgumentError, match="expected one of") as caught:
        xpnn.set_backend("tensorflow")
    assert all(name in str(caught.value) for name in ("auto", *NAMES))


@pytest.mark.parametrize("wrong", [None, 3, ["numpy"], np])
def test_a_name_is_a_string(wrong):
    with pytest.raises(xpnn.XpnnError):
        xpnn.set_backend(wrong)


def test_a_backend_may_be_chosen_as_an_object(backend64):
    xpnn.set_backend("numpy")
    with xpnn.use_backend(backend64) as used:
        assert used is xpnn.get_backend() is backend64
    assert xpnn.get_backend().spec == "numpy:cpu"
    with xpnn.use_backend(backend64, backend64.dtype_name) as used:
        assert used is backend64
    with xpnn.use_backend(backend64, dtype="float32") as used:
        assert (used.spec, used.dtype_name) == (backend64.spec, "float32")
    assert xpnn.set_backend(backend64) is xpnn.get_backend() is backend64
    assert xpnn.set_backend(xpnn.backend_of(backend64.asarray([1.0]))) == backend64
    assert xpnn.set_backend(used, "float64") == backend64


def test_a_backend_of_integers_is_not_chosen(backend):
    of_integers = xpnn.backend_of(backend.asarray([1]))
    with pytest.raises(
        xpnn.ArgumentTypeError, match=r"expected a backend of float32 or float64.*int"
    ):
        xpnn.set_backend(of_integers)
    assert xpnn.set_backend(of_integers, "float32") == backend


def test_a_name_alone_stands_for_float32(backend):
    assert xpnn.set_backend(backend.spec, None) == xpnn.set_backend(backend.spec) == backend


@pytest.mark.parametrize(
    ("spec", "full"),
    [
        ("numpy:cpu", "numpy:cpu"),
        ("numpy:", "numpy:cpu"),
        (STRICT, f"{STRICT}:CPU_DEVICE"),
        (f"{STRICT}:device2", f"{STRICT}:device2"),
        ("torch:cpu", "torch:cpu"),
        ("jax:cpu", "jax:cpu:0"),
        ("jax:cpu:0", "jax:cpu:0"),
    ],
)
def test_a_device_follows_a_colon(spec, full):
    assert xpnn.set_backend(spec).spec == full
    assert xpnn.set_backend(full).spec == full


@pytest.mark.parametrize(
    ("spec", "wrong", "devices"),
    [
        ("numpy", "gpu", ["cpu"]),
        ("numpy", "cuda:0", ["cpu"]),
        (STRICT, "device3", ["device1", "device2", "no_x64"]),
        ("torch", "cuad", ["cpu"]),
        ("torch", "cuda:99", ["cpu"]),
        ("jax", "cpu:99", ["cpu:0"]),
    ],
)
def test_a_wrong_device_is_answered_with_the_right_ones(spec, wrong, devices):
    with pytest.raises(xpnn.ArgumentError) as caught:
        xpnn.set_backend(f"{spec}:{wrong}")
    assert all(word in str(caught.value) for word in (spec, wrong, "expected one of", *devices))


@pytest.mark.parametrize("dtype", ["float16", "int32", "float", "", np.float64])
def test_dtype_is_float32_or_float64(dtype):
    with pytest.raises(
        xpnn.ArgumentError, match=r"unknown dtype.*expected one of float32, float64"
    ):
        xpnn.set_backend("numpy", dtype)


@pytest.mark.parametrize("device", ["no_float64", "no_x64"])
def test_a_device_without_float64_says_so(device):
    with pytest.raises(xpnn.BackendError, match=f"{device}.*no float64.*dtype='float32'"):
        xpnn.set_backend(f"{STRICT}:{device}", "float64")


def test_a_failed_choice_changes_nothing():
    before = xpnn.set_backend(STRICT)
    for name in ("pytroch", "numpy:gpu", f"{STRICT}:device3"):
        with pytest.raises(xpnn.ArgumentError):
            xpnn.set_backend(name)
    assert xpnn.get_backend() == before


def test_attributes(backend):
    assert backend.dtype_name == "float32"
    assert f"{backend.name}:{backend.device_name}" == backend.spec
    made = backend.xp.zeros((2, 3), dtype=backend.dtype, device=backend.device)
    assert type(backend).of(made) == backend
    with pytest.raises(AttributeError):
        backend.device = None


def test_float64(backend64):
    assert backend64.dtype_name == "float64"
    assert backend64.to_numpy(backend64.asarray([0.1])).tolist() == [0.1]


# ---- the environment variable ----------------------------------------------------------------


def test_a_backend_that_another_thread_chooses_meanwhile_stays(monkeypatch):
    chosen = xpnn.set_backend("numpy", "float64")
    monkeypatch.setattr(selection, "_default", None)

    def resolve(name, dtype):
        monkeypatch.setattr(selection, "_default", chosen)  # as set_backend does there
        return NumpyBackend.create()

    monkeypatch.setattr(selection, "resolve", resolve)
    assert xpnn.get_backend() is chosen


def test_environment_variable_seeds_the_default(monkeypatch):
    monkeypatch.setenv("XPNN_BACKEND", f"{STRICT}:device1")
    assert xpnn.get_backend().spec == f"{STRICT}:device1"
    assert xpnn.set_backend("numpy").name == xpnn.get_backend().name == "numpy"


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        ("pytorch", xpnn.ArgumentError, "did you mean 'torch'"),
        ("numpy:gpu", xpnn.ArgumentError, "expected one of cpu"),
    ],
)
def test_a_bad_environment_variable_is_an_error_each_time(monkeypatch, value, error, words):
    monkeypatch.setenv("XPNN_BACKEND", value)
    for _ in range(2):
        with pytest.raises(error, match=f"XPNN_BACKEND={value!r}.*{words}"):
            xpnn.get_backend()


def test_an_empty_environment_variable_is_none(monkeypatch):
    monkeypatch.setenv("XPNN_BACKEND", "")
    assert xpnn.get_backend().name == "numpy"


def test_an_unusable_backend_in_the_environment_variable(monkeypatch):
    monkeypatch.setattr(NumpyBackend, "version", classmethod(lambda cls: None))
    monkeypatch.setenv("XPNN_BACKEND", "numpy")
    fresh_caches(monkeypatch)
    with pytest.raises(xpnn.BackendError, match=r"XPNN_BACKEND='numpy'.*not installed"):
        xpnn.get_backend()


def test_environment_variable_in_a_process_of_its_own():
    show = "import xpnn; print(xpnn.get_backend())"
    good = python(show, XPNN_BACKEND=f"{STRICT}:device2")
    assert good.stdout.strip() == f"Backend('{STRICT}:device2', dtype='float32')", good.stderr
    bad = python(show, XPNN_BACKEND="gpu")
    assert bad.returncode == 1
    assert last_line(bad.stderr).startswith("xpnn.exceptions.ArgumentError: ")
    assert "XPNN_BACKEND='gpu'" in last_line(bad.stderr)


# ---- process-wide and scoped -----------------------------------------------------------------


def test_set_backend_is_seen_in_every_thread():
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(xpnn.get_backend).result().name == "numpy"
        xpnn.set_backend(STRICT)  # the worker is already running
        assert pool.submit(xpnn.get_backend).result().name == STRICT
        pool.submit(xpnn.set_backend, "numpy", "float64").result()
    assert xpnn.get_backend().dtype_name == "float64"


def test_use_backend_ends_with_its_block():
    with xpnn.use_backend(STRICT) as outer:
        assert xpnn.get_backend() == outer
        with xpnn.use_backend("numpy", "float64") as inner:
            assert xpnn.get_backend() == inner
        assert xpnn.get_backend() == outer
    assert xpnn.get_backend().name == "numpy"


def test_use_backend_ends_with_an_exception():
    with pytest.raises(ZeroDivisionError), xpnn.use_backend(STRICT):
        1 / 0  # noqa: B018
    assert xpnn.get_backend().name == "numpy"


def test_set_backend_inside_a_block_shows_after_it():
    with xpnn.use_backend(STRICT) as scoped:
        xpnn.set_backend("numpy", "float64")
        assert xpnn.get_backend() == scoped
    assert xpnn.get_backend().dtype_name == "float64"


def test_use_backend_stays_in_its_thread():
    entered, seen = threading.Event(), threading.Event()

    def worker():
        with xpnn.use_backend(STRICT) as mine:
            entered.set()
            assert seen.wait(10.0)
            return mine == xpnn.get_backend()

    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        other_ident = other.submit(threading.get_ident).result()
        future = one.submit(worker)
        assert entered.wait(10.0)
        here = xpnn.get_backend().name
        with xpnn.use_backend("numpy", "float64"):  # not that of a thread which runs already
            there = other.submit(xpnn.get_backend).result()
        seen.set()
        assert future.result()
    assert other_ident != threading.get_ident()
    assert here == "numpy"
    assert there.dtype_name == "float32"


def test_use_backend_stays_in_its_task():
    async def task(name, dtype, turns):
        with xpnn.use_backend(name, dtype) as mine:
            for _ in range(turns):
                await asyncio.sleep(0)  # the other tasks run here
                assert xpnn.get_backend() == mine
        return xpnn.get_backend().name

    async def main():
        tasks = (
            task(STRICT, "float32", 5),
            task("numpy", "float64", 3),
            task(STRICT, "float64", 4),
        )
        results = await asyncio.gather(*tasks)
        return [*results, xpnn.get_backend().name]

    assert asyncio.run(main()) == ["numpy"] * 4


def test_use_backend_reaches_init():
    with xpnn.use_backend(STRICT, "float64") as backend:
        (layer,) = xpnn.Network([2, 3]).init(rng=0)
    assert type(backend).of(layer.W) == backend


# ---- auto ------------------------------------------------------------------------------------


def test_auto_is_the_first_that_works(monkeypatch):
    fresh_caches(monkeypatch)
    tried = []

    def create(name, device, dtype):
        tried.append(f"{name}:{device}")
        if name != "numpy":
            raise xpnn.BackendError("no GPU")
        return "numpy it is"

    def backend_class(name):
        return types.SimpleNamespace(create=functools.partial(create, name))

    monkeypatch.setattr(registry, "backend_class", backend_class)
    assert selection.resolve("auto", "float32") == "numpy it is"
    assert tried == ["cupy:", "torch:cuda", "jax:gpu", "numpy:"]  # the design's order


@pytest.mark.parametrize("works", ["cupy:", "torch:cuda", "jax:gpu"])
def test_auto_prefers_a_gpu(monkeypatch, works):
    fresh_caches(monkeypatch)

    def create(name, device, dtype):
        if f"{name}:{device}" != works:
            raise xpnn.ArgumentError("no such device")
        return works

    def backend_class(name):
        return types.SimpleNamespace(create=functools.partial(create, name))

    monkeypatch.setattr(registry, "backend_class", backend_class)
    assert selection.resolve("auto", "float32") == works


def test_auto_here():
    gpus = ("cupy", "torch:cuda", "jax:gpu")
    here = [spec for spec in gpus if unusable(spec) is None]
    expected = xpnn.set_backend((*here, "numpy")[0])
    assert xpnn.set_backend("auto") == expected
