"""Choosing a backend, what each one reports, moves, compiles and refuses."""

import asyncio
import functools
import json
import operator
import os
import pickle
import subprocess
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import xpnn
from tests.fakes.fake_cupy import FakeDevice, fake_cupy
from tests.fakes.plug_ins import fresh_caches, plug_in
from tests.helpers import SPECS, read_only, unusable
from xpnn._backends import registry, selection
from xpnn._backends.base import Backend
from xpnn._backends.cupy import CupyBackend
from xpnn._backends.numpy import NumpyBackend
from xpnn.training import step

STRICT = "array_api_strict"
NAMES = ("numpy", "cupy", "torch", "jax", STRICT)


def python(code, **environment):
    """Run code in a fresh interpreter; return the completed process."""
    environment = {**os.environ, **environment}
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def last_line(text):
    return text.strip().splitlines()[-1]


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
    with pytest.raises(xpnn.ArgumentError, match=r"unknown dtype 'int.*expected one of float32"):
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


# ---- status ----------------------------------------------------------------------------------


def test_status_of_every_known_backend():
    statuses = {status.name: status for status in xpnn.backends()}
    assert tuple(statuses)[: len(NAMES)] == NAMES
    for status in statuses.values():
        assert status.usable == (status.reason == "")
        assert status.usable <= bool(status.installed)
        assert status.usable <= bool(status.devices)
    assert statuses["numpy"].installed == np.__version__
    assert statuses["numpy"].devices == ("cpu",)


@pytest.mark.parametrize("spec", NAMES)
def test_devices_of_the_status_can_be_chosen(spec):
    for device in registry.backend_class(spec).status().devices:
        assert xpnn.set_backend(f"{spec}:{device}").spec == f"{spec}:{device}"


@pytest.mark.parametrize("name", NAMES)
def test_the_reason_of_the_status_is_that_of_set_backend(name):
    status = registry.backend_class(name).status()
    if status.usable:
        assert unusable(name) is None
    else:
        assert status.reason in unusable(name)


class NotInstalled(NumpyBackend):
    name = "fake"
    distributions = ("no-such-distribution-1", "no-such-distribution-2")
    cure = "pip install fake"


class DoesNotImport(NumpyBackend):
    name = "fake"
    module = "xpnn.no_such_module"


class ImportExplodes(NumpyBackend):
    name = "fake"

    @classmethod
    def namespace(cls):
        raise OSError("libcublas.so.12: cannot open shared object file\nand a long trace")


class NoDevice(NumpyBackend):
    name = "fake"

    @classmethod
    def devices(cls):
        raise RuntimeError("no driver")


class AllocationFails(NumpyBackend):
    name = "fake"

    def asarray(self, x, dtype=None, copy=None):
        raise MemoryError("out of memory")


class WrongNumbers(NumpyBackend):
    name = "fake"

    @classmethod
    def namespace(cls):
        return types.SimpleNamespace(float32=np.float32, asarray=np.asarray, sum=lambda a: 7.0)


FAULTS = [
    # class, installed, devices, reason
    (NotInstalled, None, (), "not installed: pip install fake"),
    (DoesNotImport, np.__version__, (), "does not import: ModuleNotFoundError: No module named"),
    (ImportExplodes, np.__version__, (), "does not import: OSError: libcublas.so.12: cannot open"),
    (NoDevice, np.__version__, (), "no device: RuntimeError: no driver"),
    (AllocationFails, np.__version__, ("cpu",), "tiny computation failed: MemoryError: out of"),
    (WrongNumbers, np.__version__, ("cpu",), "tiny computation failed: ArithmeticError"),
]


@pytest.mark.parametrize(("fault", "installed", "devices", "reason"), FAULTS)
def test_status_says_what_is_wrong(fault, installed, devices, reason):
    status = fault.status()
    assert (status.name, status.installed) == ("fake", installed)
    assert (status.usable, status.devices) == (False, devices)
    assert reason in status.reason
    assert "\n" not in status.reason
    with pytest.raises(xpnn.BackendError, match="'fake' cannot be used") as caught:
        fault.create()
    assert status.reason in str(caught.value)


def test_create_tries_the_chosen_device_out():
    class SecondDeviceFails(NumpyBackend):
        name = "fake"

        @classmethod
        def devices(cls):
            return ("cpu", "broken")

        def asarray(self, x, dtype=None, copy=None):
            if self.device == "broken":
                raise RuntimeError("device lost")
            return np.asarray(x, dtype)

        @classmethod
        def namespace(cls):
            dtypes = {"float32": np.float32}
            info = types.SimpleNamespace(dtypes=lambda **_: dtypes)
            return types.SimpleNamespace(
                float32=np.float32, sum=np.sum, __array_namespace_info__=lambda: info
            )

    assert SecondDeviceFails.status().usable
    assert SecondDeviceFails.create("cpu").device == "cpu"
    with pytest.raises(xpnn.BackendError, match=r"tiny computation failed.*device lost.*broken"):
        SecondDeviceFails.create("broken")


# ---- CuPy, where there is none ---------------------------------------------------------------


def no_driver():
    # what cupy.cuda.runtime says on a machine without one
    raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")


def test_cupy_without_a_driver(monkeypatch):
    fake_cupy(monkeypatch, no_driver)
    status = CupyBackend.status()
    assert (status.installed, status.usable, status.devices) == ("14.0", False, ())
    assert status.reason.startswith("no device: RuntimeError: cudaErrorInsufficientDriver")
    with pytest.raises(xpnn.BackendError, match=r"no device.*cudaErrorInsufficientDriver"):
        xpnn.set_backend("cupy")


def test_cupy_with_a_driver_and_no_gpu(monkeypatch):
    fake_cupy(monkeypatch, lambda: 0)
    assert not CupyBackend.status().usable
    assert CupyBackend.status().reason


@pytest.mark.parametrize(
    ("name", "id"),
    [("", 0), ("cuda", 0), ("0", 0), ("cuda:0", 0), ("1", 1), ("cuda:1", 1)],
)
def test_cupy_devices_by_name(monkeypatch, name, id):  # noqa: A002
    fake_cupy(monkeypatch, lambda: 2)
    assert CupyBackend.devices() == ("cuda:0", "cuda:1")
    assert CupyBackend.find_device(name).id == id  # whichever is current


@pytest.mark.parametrize("name", ["2", "cuda:2", "cpu", "gpu:0"])
def test_cupy_wrong_device(monkeypatch, name):
    fake_cupy(monkeypatch, lambda: 2)
    with pytest.raises(xpnn.ArgumentError, match=r"cupy.*expected one of cuda:0, cuda:1"):
        CupyBackend.find_device(name)


def test_cupy_current_is_a_device_object_of_its_own(monkeypatch):
    """CuPy's Device remembers one previous device: entered twice, it would restore itself."""
    fake_cupy(monkeypatch, lambda: 2)
    backend = CupyBackend(np, FakeDevice(0), np.dtype("float32"))
    assert backend.spec == "cupy:cuda:0"
    with backend.current(), backend.current():
        assert FakeDevice.entered == [0, 0]
    assert FakeDevice.entered == []
    assert not hasattr(backend.device, "before")  # it is never entered itself


# ---- plug-ins --------------------------------------------------------------------------------


class Plugged(NumpyBackend):
    name = "plugged"

    @classmethod
    def owns(cls, x):
        return isinstance(x, list) and x == ["mine"]


def test_a_plug_in_joins(monkeypatch):
    plug_in(monkeypatch, plugged=Plugged)
    assert xpnn.backends()[-1] == xpnn.BackendStatus("plugged", np.__version__, True, ("cpu",), "")
    assert isinstance(xpnn.set_backend("plugged"), Plugged)
    assert xpnn.get_backend().spec == "plugged:cpu"
    assert registry.backend_class_of(["mine"]) is Plugged
    with pytest.raises(xpnn.ArgumentError, match=r"expected one of .*plugged.*mean 'plugged'"):
        xpnn.set_backend("pluged")


def test_a_plug_in_cannot_take_a_built_in_name(monkeypatch):
    plug_in(monkeypatch, numpy=Plugged)
    assert [status.name for status in xpnn.backends()] == list(NAMES)
    assert xpnn.set_backend("numpy").name == "numpy"


def test_a_plug_in_that_does_not_load_is_reported_and_harms_nothing(monkeypatch):
    plug_in(monkeypatch, broken=ImportError("no module named broken"), plugged=Plugged)
    statuses = {status.name: status for status in xpnn.backends()}
    assert not statuses["broken"].usable
    assert "does not load" in statuses["broken"].reason
    assert "ImportError: no module named broken" in statuses["broken"].reason
    assert statuses["plugged"].usable
    assert statuses["numpy"].usable
    assert isinstance(xpnn.set_backend("plugged"), Plugged)
    assert registry.backend_class_of(object()) is None
    net = xpnn.Network([2, 2])
    assert net.forward(net.init(rng=0), [[1.0], [2.0]])[0].shape == (2, 1)


def test_choosing_a_plug_in_that_does_not_load_is_a_backend_error(monkeypatch):
    plug_in(monkeypatch, broken=ImportError("no module named broken"))
    with pytest.raises(xpnn.BackendError, match=r"'broken'.*no module named broken"):
        xpnn.set_backend("broken")


class Foreign:
    """An array of a library that only a plug-in knows."""

    dtype, shape = "float32", (1,)


@pytest.mark.parametrize("error", [SystemExit("no licence"), GeneratorExit(), ImportError("none")])
def test_a_plug_in_whose_import_ends_the_process_does_not(monkeypatch, error):
    plug_in(monkeypatch, evil=error)
    assert registry.backend_class_of(Foreign()) is None
    status = xpnn.backends()[-1]
    assert (status.name, status.usable) == ("evil", False)
    assert type(error).__name__ in status.reason
    with pytest.raises(xpnn.BackendError, match=f"'evil' does not load: {type(error).__name__}"):
        xpnn.set_backend("evil")


@pytest.mark.parametrize("method", ["create", "status", "owns", "of", "devices", "namespace"])
def test_a_plug_in_whose_method_ends_the_process_does_not(monkeypatch, method):
    def leave(*arguments):
        sys.exit("no licence")

    given = {"name": "evil", "owns": classmethod(lambda cls, x: isinstance(x, Foreign))}
    evil = type("Evil", (Plugged,), {**given, method: classmethod(leave)})
    plug_in(monkeypatch, evil=evil)
    xpnn.backends()
    if method not in ("owns", "of", "status"):
        with pytest.raises(xpnn.BackendError, match="SystemExit: no licence"):
            xpnn.set_backend("evil")
    if method != "owns":
        assert registry.backend_class_of(Foreign()) is evil
    with pytest.raises(xpnn.XpnnError):
        xpnn.Network([1, 1]).forward(((Foreign(), Foreign()),), [[1.0]])
    assert registry.backend_class_of([1.0]) is None


def test_ctrl_c_in_a_plug_in_is_one(monkeypatch):
    plug_in(monkeypatch, slow=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        xpnn.set_backend("slow")


def test_a_plug_in_is_imported_for_its_own_arrays_only(monkeypatch):
    pandas, sparse = pytest.importorskip("pandas"), pytest.importorskip("scipy.sparse")
    (entry,) = plug_in(monkeypatch, foreign=Plugged)
    net = xpnn.Network([2, 1], output="sigmoid")
    X = [[0.0, 1.0], [1.0, 0.0]]
    for x in (X, pandas.DataFrame(X), pandas.Series(X[0]), sparse.csr_matrix(X), object(), None):
        assert registry.backend_class_of(x) is None
    xpnn.fit(net, net.init(), X, [[0, 1]], epochs=1)
    assert entry.asked == 0
    monkeypatch.setattr(Plugged, "owns", classmethod(lambda cls, x: isinstance(x, Foreign)))
    assert registry.backend_class_of(Foreign()) is Plugged
    assert entry.asked == 1


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
    for cache in (step.joining, step.cutting, step.make_run):
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


# ---- a process of its own --------------------------------------------------------------------


def test_import_is_light():
    code = "import json, sys, xpnn; print(json.dumps(sorted(sys.modules)))"
    done = python(code)
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert "numpy" in loaded
    optional = {"cupy", "jax", "matplotlib", "onnx", "pandas", "scipy", "sklearn", "torch", STRICT}
    assert not loaded & optional


def test_numpy_work_loads_no_other_library():
    code = """
import json, sys, xpnn
net = xpnn.Network([2, 2])
net.score(net.init(rng=0), [[1.0], [2.0]], [[1]])
try:
    xpnn.set_backend("pytroch")
except xpnn.ArgumentError:
    pass
print(json.dumps(sorted(sys.modules)))
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & {"cupy", "jax", "torch", STRICT}


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
