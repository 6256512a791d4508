"""What may go wrong around the library: memory, drivers, forks, disks, signals, threads, callbacks.

Faults that need a GPU are made by fakes that raise what the library in question raises; the real
ones run where there is a GPU.
"""

import asyncio
import errno
import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import types
from contextlib import suppress
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import xpnn
from tests.fakes.fake_cupy import FakeDevice, fake_cupy
from tests.fakes.plug_ins import fresh_caches, plug_in
from tests.helpers import unusable
from xpnn._backends import registry
from xpnn._backends.cupy import CupyBackend
from xpnn._backends.jax import JaxBackend
from xpnn._backends.numpy import NumpyBackend
from xpnn._backends.torch import TorchBackend
from xpnn.cli import main
from xpnn.exceptions import first_line
from xpnn.files import container

X = np.random.default_rng(0).standard_normal((3, 40))
Y = (X[:1] > X[1:2]).astype(int)
NET = xpnn.Network([3, 4, 1], hidden="tanh", output="sigmoid")


def needs(spec):
    if unusable(spec):
        pytest.skip(unusable(spec))


def estimators():
    return [
        xpnn.MLPClassifier(max_iter=30, random_state=0),
        xpnn.MLPRegressor(max_iter=30, random_state=0),
        xpnn.LogisticRegression(max_iter=30),
    ]


# ---- memory ----------------------------------------------------------------------------------


class CupyMemoryError(MemoryError):
    """As CuPy's, of which the message is."""

    def __init__(self):
        super().__init__("Out of memory allocating 4,096 bytes (allocated so far: 512 bytes).")


class CudaMemoryError(RuntimeError):
    """As PyTorch's, of which the message is."""

    def __init__(self):
        super().__init__("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 512 MiB.\nmore")


FULL = [
    CupyMemoryError(),
    CudaMemoryError(),
    RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"),
    RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes."),
]


def fail_in_the_second_step(monkeypatch, error):
    """Make the computation of a backend fail in the midst of a training."""
    calls = []

    def backward(*_):
        calls.append(1)
        if len(calls) == 2:
            raise error
        return real(*_)

    real = xpnn.training.objective.propagation.backward
    monkeypatch.setattr(xpnn.training.objective.propagation, "backward", backward)


@pytest.mark.parametrize("error", FULL, ids=lambda error: str(error)[:24])
def test_out_of_memory_is_told_and_the_reserve_is_freed(error, monkeypatch):
    needs("torch")
    freed = []
    monkeypatch.setattr(TorchBackend, "free_cached_memory", lambda self: freed.append(self.spec))
    with xpnn.use_backend("torch"):
        params = NET.init(rng=0)
        fail_in_the_second_step(monkeypatch, error)
        with pytest.raises(xpnn.OutOfMemoryError, match=r"torch:cpu has .*smaller batch") as caught:
            xpnn.fit(NET, params, X, Y, batch_size=8)
    assert isinstance(caught.value, MemoryError)
    assert caught.value.__cause__ is error
    assert first_line(error) in str(caught.value)
    assert freed == ["torch:cpu"]


@pytest.mark.parametrize("make", estimators(), ids=lambda model: type(model).__name__)
def test_out_of_memory_in_the_estimators(make, monkeypatch):
    needs("torch")
    fail_in_the_second_step(monkeypatch, CudaMemoryError())
    with pytest.raises(xpnn.OutOfMemoryError, match=r"torch:cpu has .*smaller batch_size"):
        make.set_params(backend="torch").fit(X.T, Y[0])


def test_what_the_failed_step_held_is_let_go(monkeypatch):
    """Arrays in the frames of an exception could not be given back."""
    needs("torch")
    held = []

    class Large:
        def __del__(self):
            held.append("let go")

    def step():
        large = Large()
        raise CudaMemoryError() if large else None

    def work():
        with xpnn.use_backend("torch") as backend, backend.current():
            step()

    monkeypatch.setattr(TorchBackend, "free_cached_memory", lambda self: held.append("freed"))
    with pytest.raises(xpnn.OutOfMemoryError):
        work()
    assert held == ["let go", "freed"]


def test_other_errors_stay_what_they_are():
    needs("torch")
    with xpnn.use_backend("torch") as backend:
        for error in (RuntimeError("shapes differ"), ValueError("out of memory"), KeyError("a")):
            with pytest.raises(type(error)) as caught, backend.current():
                raise error
            assert caught.value is error


HUGE = np.broadcast_to(np.float32(0.0), (1, 2**59))
"""Takes 4 bytes; a copy of it could not even be addressed."""


@pytest.mark.parametrize("spec", ["numpy", "torch", "jax"])
def test_real_memory_is_finite(spec):
    net = xpnn.Network([1, 1], output="identity")
    with xpnn.use_backend(spec):
        with pytest.raises(MemoryError) as caught:
            net.predict(net.init(rng=0), HUGE)
        if spec != "numpy":  # whose own message tells size and shape
            assert isinstance(caught.value, xpnn.OutOfMemoryError)
            assert spec in str(caught.value)
        assert net.predict(net.init(weights="zeros"), [[1.0]]).shape == (1, 1)  # goes on


def test_pools_of_cupy_are_freed(monkeypatch):
    freed = []
    fake_cupy(monkeypatch, lambda: 1)
    cupy = sys.modules["cupy"]
    for name in ("get_default_memory_pool", "get_default_pinned_memory_pool"):
        pool = types.SimpleNamespace(free_all_blocks=lambda name=name: freed.append(name))
        setattr(cupy, name, lambda pool=pool: pool)
    backend = CupyBackend(np, FakeDevice(0), np.dtype("float32"))
    with pytest.raises(xpnn.OutOfMemoryError, match="cupy:cuda:0 has too"), backend.current():
        raise CupyMemoryError
    assert freed == ["get_default_memory_pool", "get_default_pinned_memory_pool"]
    assert FakeDevice.entered == []


def test_the_cache_of_torch_is_freed(monkeypatch):
    needs("torch")
    import torch

    freed = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: freed.append("cuda"))
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: freed.append("mps"))
    for device, expected in (("cpu", ["cuda"]), ("mps", ["cuda", "mps"])):
        freed.clear()
        TorchBackend(torch, torch.device(device), torch.float32).free_cached_memory()
        assert freed == expected


@pytest.mark.parametrize("spec", ["cupy", "torch:cuda", "jax:gpu"])
def test_a_real_gpu_runs_out_of_memory_and_goes_on(spec):
    net = xpnn.Network([1, 1], output="identity")
    with xpnn.use_backend(spec) as backend:
        with pytest.raises(xpnn.OutOfMemoryError, match="smaller batch"), backend.current():
            backend.xp.zeros((2**40,), dtype=backend.dtype, device=backend.device)
        assert net.predict(net.init(weights="zeros"), [[1.0]]).shape == (1, 1)


# ---- drivers, CUDA's libraries, plug-ins -----------------------------------------------------


FRAME = "=" * 64
CUPY_IMPORT = f"""
{FRAME}
Failed to import CuPy.

If you installed CuPy via wheels (cupy-cudaXXX), make sure that the package matches.

Original error:
  ImportError: libcublas.so.12: cannot open shared object file: No such file or directory
{FRAME}
"""


def test_a_missing_cuda_library_is_told_with_its_name_and_cure(monkeypatch):
    """CuPy 14 imports and raises at the first attribute: nothing else may stumble over that."""

    class Broken(types.ModuleType):
        def __getattr__(self, name):
            raise RuntimeError(CUPY_IMPORT)

    monkeypatch.setitem(sys.modules, "cupy", Broken("cupy"))
    monkeypatch.setattr(CupyBackend, "version", classmethod(lambda cls: "14.0"))
    monkeypatch.setattr(CupyBackend, "namespace", classmethod(lambda cls: Broken("cupy").ndarray))
    fresh_caches(monkeypatch)
    reason = CupyBackend.status().reason
    assert "does not import: RuntimeError: Failed to import CuPy. (ImportError: libcublas" in reason
    assert "pip install 'xpnn[cuda12]'" in reason
    with pytest.raises(xpnn.BackendError, match=r"libcublas\.so\.12"):
        xpnn.set_backend("cupy")
    assert xpnn.set_backend("auto").name in {"numpy", "torch", "jax"}
    with xpnn.use_backend("numpy"):
        assert NET.predict(NET.init(rng=0), X).shape == (1, 40)


DRIVERS = {
    # what cupy.cuda.runtime.getDeviceCount raises
    "none": "cudaErrorNoDevice: no CUDA-capable device is detected",
    "too old": "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime",
}


@pytest.mark.parametrize("kind", DRIVERS)
def test_a_driver_that_is_missing_or_too_old(kind, monkeypatch):
    def count():
        raise RuntimeError(DRIVERS[kind])

    fake_cupy(monkeypatch, count)
    with pytest.raises(xpnn.BackendError) as caught:
        xpnn.set_backend("cupy")
    for words in ("no device: RuntimeError: cudaError", "Install or update NVIDIA's driver"):
        assert words in str(caught.value)


def test_libraries_of_jax_that_do_not_fit_each_other(monkeypatch):
    def namespace():
        raise RuntimeError("jaxlib version 0.9 is newer than and incompatible with jax version 0.5")

    monkeypatch.setattr(JaxBackend, "namespace", namespace)
    monkeypatch.setattr(JaxBackend, "version", classmethod(lambda cls: "0.5"))
    fresh_caches(monkeypatch)
    with pytest.raises(xpnn.BackendError, match=r"incompatible with jax.*Install it anew: pip"):
        xpnn.set_backend("jax")


ABSENT = [("torch", "cuda"), ("jax", "gpu"), ("jax", "cuda:3"), ("torch", "mps")]


@pytest.mark.parametrize(("spec", "device"), [pair for pair in ABSENT if unusable(":".join(pair))])
def test_a_device_that_is_not_there(spec, device):
    with pytest.raises(xpnn.ArgumentError, match=r"expected one of cpu.*A GPU needs its driver"):
        xpnn.set_backend(f"{spec}:{device}")


def test_a_plug_in_that_is_no_backend_harms_nothing(monkeypatch):
    plug_in(monkeypatch, broken=object(), module=types, other=dict)
    for name in ("broken", "module", "other"):
        with pytest.raises(xpnn.BackendError, match=rf"{name}.* does not load: .*derived from"):
            xpnn.set_backend(name)
    assert NET.predict(NET.init(rng=0), X).shape == (1, 40)


def test_a_plug_in_that_does_not_load_is_tried_once(monkeypatch):
    class Slow:
        name, tries = "slow", 0

        def load(self):
            Slow.tries += 1
            raise ImportError("after a second")

    plug_in(monkeypatch)
    monkeypatch.setattr(registry, "_plugins", lambda: {"slow": Slow()})
    for _ in range(5):
        NET.predict(NET.init(rng=0), X)
    with pytest.raises(xpnn.BackendError, match="after a second"):
        xpnn.set_backend("slow")
    assert Slow.tries == 1


def test_a_plug_in_whose_owns_raises_owns_nothing(monkeypatch):
    class Rude(NumpyBackend):
        name = "rude"

        @classmethod
        def owns(cls, x):
            raise AttributeError("no such thing")

    plug_in(monkeypatch, rude=Rude)
    assert NET.predict(NET.init(rng=0), [[1.0]] * 3).shape == (1, 1)


# ---- forks -----------------------------------------------------------------------------------


FORKED = (
    "Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must...",
    "cudaErrorInitializationError: initialization error",
)


@pytest.mark.parametrize("text", FORKED, ids=["torch", "cupy"])
def test_a_fork_after_cuda_had_begun_is_told(text, monkeypatch):
    needs("torch")
    fail_in_the_second_step(monkeypatch, RuntimeError(text))
    words = r"forked after CUDA.*get_context\('spawn'\)"
    with xpnn.use_backend("torch"), pytest.raises(xpnn.BackendError, match=words):
        xpnn.fit(NET, NET.init(rng=0), X, Y, batch_size=8)


def test_choosing_a_backend_in_a_forked_process_is_told(monkeypatch):
    needs("torch")

    def refuse(*_, **__):
        raise RuntimeError(FORKED[0])

    monkeypatch.setattr(TorchBackend, "asarray", refuse)
    fresh_caches(monkeypatch)
    with pytest.raises(xpnn.BackendError, match=r"'torch' cannot be used.*forked after CUDA"):
        xpnn.set_backend("torch")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_numpy_goes_on_in_a_forked_process():
    code = """
import os, numpy as np, xpnn
net = xpnn.Network([2, 2])
params = net.init(rng=0)
child = os.fork()
if child == 0:
    fitted, _ = xpnn.fit(net, params, np.ones((2, 4)), [[0, 1, 0, 1]], epochs=2)
    os._exit(7 if np.isfinite(fitted[0].W).all() else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "7"


@pytest.mark.parametrize("spec", ["cupy", "torch:cuda"])
def test_a_real_fork_after_cuda_had_begun(spec):
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe()

    def child():
        try:
            with xpnn.use_backend(spec):
                NET.predict(NET.init(rng=0), X)
        except xpnn.XpnnError as error:
            sender.send(str(error))

    with xpnn.use_backend(spec):
        NET.predict(NET.init(rng=0), X)
    process = context.Process(target=child)
    process.start()
    assert receiver.poll(60)
    assert "forked after CUDA" in receiver.recv()
    process.join()


# ---- disks -----------------------------------------------------------------------------------


def save_network(path):
    xpnn.save(path, NET, NET.init(rng=0))


def save_estimator(path):
    xpnn.LogisticRegression(tol=1e9).fit(X.T, Y[0]).save(path)


def save_checkpoint(path):
    checkpoint = xpnn.Checkpoint(path, resume=True)
    xpnn.fit(NET, NET.init(rng=0), X, Y, epochs=4, checkpoint=checkpoint)


def save_onnx(path):
    pytest.importorskip("onnx")
    xpnn.LogisticRegression(tol=1e9).fit(X.T, Y[0]).to_onnx(path)


SAVING = [save_network, save_estimator, save_checkpoint, save_onnx]


@pytest.fixture
def old(request, tmp_path):
    """A file that is there already: a checkpoint to go on from, or anything."""
    path = tmp_path / "model.safetensors"
    if "checkpoint" in request.node.name:
        checkpoint = xpnn.Checkpoint(path)
        xpnn.fit(NET, NET.init(rng=0), X, Y, epochs=2, checkpoint=checkpoint)
    else:
        path.write_bytes(b"old")
    return path


FULL_DISKS = [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO]


@pytest.mark.parametrize("number", FULL_DISKS, ids=errno.errorcode.get)
@pytest.mark.parametrize("save", SAVING, ids=lambda save: save.__name__)
def test_the_old_file_survives(save, number, old, monkeypatch):
    """A full disk shows as bytes are written, a read-only folder as a file is made."""
    before = old.read_bytes()

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    if number in (errno.EROFS, errno.EACCES):
        real = Path.open
        monkeypatch.setattr(
            Path,
            "open",
            lambda self, mode="r", *a, **b: fail() if "x" in mode else real(self, mode, *a, **b),
        )
    else:
        monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=re.escape(os.strerror(number))):
        save(old)
    assert old.read_bytes() == before
    assert [file.name for file in old.parent.iterdir()] == [old.name]


@pytest.mark.skipif(os.name != "posix", reason="POSIX' limit on the size of a file")
def test_a_disk_that_really_fills_up(tmp_path):
    """The system itself cuts the write short, in the midst of the file."""
    code = """
import resource, sys, xpnn
net = xpnn.Network([200, 100])
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    xpnn.save(sys.argv[1], net, net.init(rng=1))
except OSError as error:
    print(error.errno)
"""
    path = tmp_path / "m.safetensors"
    net = xpnn.Network([200, 100])
    xpnn.save(path, net, net.init(rng=0))
    before = path.read_bytes()
    assert len(before) > 80_000
    run = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert int(done.stdout) == errno.EFBIG
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("save", SAVING, ids=lambda save: save.__name__)
def test_a_real_read_only_folder(save, old):
    before = old.read_bytes()
    old.parent.chmod(0o555)
    try:
        with pytest.raises(PermissionError):
            save(old)
    finally:
        old.parent.chmod(0o755)
    assert old.read_bytes() == before


def test_the_shell_says_that_the_disk_is_full_and_keeps_the_old_model(
    tmp_path, monkeypatch, capsys
):
    def fail(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "m.safetensors"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    assert main(["train", "moons", "--epochs", "1", "-o", str(path)]) == 2
    assert capsys.readouterr().err == f"xpnn: error: {path}: No space left on device\n"
    assert path.read_bytes() == b"old"


# ---- damaged files through every door --------------------------------------------------------


def truncated(raw):
    return raw[:-20]


def flipped(raw):
    return raw[:-9] + bytes([raw[-9] ^ 4]) + raw[-8:]


def long_header(raw):
    return (2**40).to_bytes(8, "little") + raw[8:]


def twice(raw):
    """Name an array twice in the header."""
    length = int.from_bytes(raw[:8], "little")
    header = raw[8 : 8 + length].rstrip()
    start = re.search(rb'"(W1|coefs_0|coefs_\.0|carry0|[^"]+)":\{"d', header).group(0)
    entry = re.search(re.escape(start) + rb"[^}]*\}", header).group(0)
    header = header[:-1] + b"," + entry + b"}"
    return len(header).to_bytes(8, "little") + header + raw[8 + length :]


def from_the_future(raw):
    length = int.from_bytes(raw[:8], "little")
    header = raw[8 : 8 + length].replace(b'\\"format\\":1', b'\\"format\\":9')
    return len(header).to_bytes(8, "little") + header + raw[8 + length :]


class Trap:
    def __reduce__(self):
        return os.abort, ()


def a_pickle(raw):
    return pickle.dumps(Trap())


DAMAGE = {
    truncated: "cut short|do not fit each other|Was it copied",
    flipped: "SHA-256",
    long_header: "at most 100000000 are allowed",
    twice: "stands twice",
    from_the_future: "written by a newer version of xpnn: its format is 9.*pip install --upgrade",
    a_pickle: "found a pickle.*it was not opened",
}


def resume(path):
    checkpoint = xpnn.Checkpoint(path, resume=True)
    return xpnn.fit(NET, NET.init(rng=0), X, Y, epochs=4, checkpoint=checkpoint)


def saved_by_the_shell(path):
    assert main(["train", "moons", "--epochs", "1", "--hidden", "4", "-o", str(path)]) == 0


OPENING = {"network": save_network, "estimator": save_estimator, "pipeline": saved_by_the_shell}


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("kind", [*OPENING, "checkpoint"])
def test_damaged_files(kind, damage, tmp_path, capsys):
    path = tmp_path / "m.safetensors"
    opening = resume if kind == "checkpoint" else xpnn.load
    OPENING.get(kind, save_checkpoint)(path)
    raw = path.read_bytes()
    opening(path)  # it was whole
    path.write_bytes(damage(raw))
    assert path.read_bytes() != raw
    with pytest.raises(xpnn.FileFormatError, match=DAMAGE[damage]):
        opening(path)
    capsys.readouterr()
    commands = [["info", str(path)]]
    if kind == "checkpoint":
        resumed = ["--checkpoint", str(path), "--resume", "-o", str(tmp_path / "o.safetensors")]
        commands = [["train", "moons", *resumed]]
    elif kind != "network":
        commands += [[command, str(path), "moons"] for command in ("predict", "evaluate")]
        commands += [["export", str(path), str(tmp_path / "m.onnx")]]
    for command in commands:
        assert main(command) == 2
        assert re.search(DAMAGE[damage], capsys.readouterr().err)
    assert path.read_bytes() == damage(raw)


def of_state(rng, **changes):
    """Return the state of a random generator, in plain values, with something else in it."""
    if isinstance(rng, np.random.RandomState):
        state = rng.get_state(legacy=False)
    else:
        state = rng.bit_generator.state
    inner, outer = (
        {k: changes.get(k, v.tolist() if isinstance(v, np.ndarray) else v) for k, v in part.items()}
        for part in (state["state"], state)
    )
    return outer | {"state": inner}


RANDOM = {
    # NumPy reads at these positions without a look at them, and crashes where they are far out
    "RandomState, beyond": (np.random.RandomState, {"pos": 625}),
    "RandomState, below": (np.random.RandomState, {"pos": -1}),
    "RandomState, no number": (np.random.RandomState, {"pos": "0"}),
    "RandomState, too few": (np.random.RandomState, {"key": [1, 2, 3]}),
    "Philox, beyond": (lambda seed: np.random.Generator(np.random.Philox(seed)), {"buffer_pos": 5}),
    "Philox, below": (lambda seed: np.random.Generator(np.random.Philox(seed)), {"buffer_pos": -1}),
    "PCG64, negative": (np.random.default_rng, {"uinteger": -1}),
    "PCG64, too large": (np.random.default_rng, {"uinteger": 10**30}),
}


@pytest.mark.parametrize("kind", RANDOM)
def test_random_states_that_numpy_would_take_or_stumble_over(kind, tmp_path):
    make, changes = RANDOM[kind]
    path = tmp_path / "run.safetensors"
    start = NET.init(rng=0)
    given = {"batch_size": 8, "checkpoint": xpnn.Checkpoint(path, resume=True)}
    xpnn.fit(NET, start, X, Y, epochs=2, rng=make(0), **given)
    found = container.read(path, ("checkpoint",))
    for state, fits in ((of_state(make(0)), True), (of_state(make(0), **changes), False)):
        container.write(path, "checkpoint", found.content | {"rng": state}, found.tensors)
        if fits:
            xpnn.fit(NET, start, X, Y, epochs=3, rng=make(0), **given)
        else:
            with pytest.raises(xpnn.FileFormatError, match=r"run\.safetensors: damaged"):
                xpnn.fit(NET, start, X, Y, epochs=4, rng=make(0), **given)


# ---- signals and callbacks -------------------------------------------------------------------


def raising(error):
    def callback(report):
        if report.epoch == 3:
            raise error

    return callback


ERRORS = [ValueError("mine"), RuntimeError("mine"), StopIteration("mine"), SystemExit(3)]


@pytest.mark.slow("jax")
@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("spec", ["numpy", "torch", "jax"])
def test_what_a_callback_raises_arrives_as_it_is(error, spec, tmp_path, capsys):
    path = tmp_path / "run.safetensors"
    with xpnn.use_backend(spec) as backend:
        params = NET.init(rng=0)
        before = [backend.to_numpy(a).copy() for layer in params for a in layer]
        given = {"epochs": 9, "checkpoint": xpnn.Checkpoint(path), "progress": True}
        with pytest.raises(type(error)) as caught:
            xpnn.fit(NET, params, X, Y, callbacks=[raising(error)], **given)
        assert caught.value is error
        after = [backend.to_numpy(a) for layer in params for a in layer]
        assert all((a == b).all() for a, b in zip(before, after, strict=True))
        assert xpnn.get_backend() == backend
    assert "3/9" in capsys.readouterr().err  # the bar is closed where it was
    epochs = container.read(path, ("checkpoint",)).content["epoch"]
    assert epochs == 2  # the last that everybody had seen
    with xpnn.use_backend(spec):
        given["checkpoint"] = xpnn.Checkpoint(path, resume=True)
        _, history = xpnn.fit(NET, NET.init(rng=0), X, Y, **given)
    assert len(history) == 9


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("model", estimators(), ids=lambda model: type(model).__name__)
def test_what_a_callback_of_an_estimator_raises(model, error):
    model = model.set_params(callbacks=[raising(error)], tol=1e-9)
    with pytest.raises(type(error)) as caught:
        model.fit(X.T, Y[0])
    assert caught.value is error
    model.set_params(callbacks=[], tol=1e9).fit(X.T[:, :2], Y[0])  # anew
    assert model.n_features_in_ == 2


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this system")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("spec", ["numpy", "torch", "jax"])
def test_ctrl_c_at_any_moment(spec):
    """A real signal after 2 to 40 ms: parameters of whole epochs, or nothing was begun.

    On a busy machine the first epoch may begin later: then ten times as late.

    One that arrives in a destructor or a callback of JAX is lost there, by Python's own rule.
    """
    with suppress(ImportError):
        import_module("numba")  # an import that is interrupted breaks it for the whole process

    def interrupt(*_):
        raise KeyboardInterrupt

    handler = signal.signal(signal.SIGALRM, interrupt)
    rng = np.random.default_rng(1)
    interrupted = 0
    try:
        with xpnn.use_backend(spec) as backend:
            params = NET.init(rng=0)
            xpnn.fit(NET, params, X, Y, epochs=64)  # compiled before
            waits = [rng.uniform(0.002, 0.04) for _ in range(12)]
            for wait in [*waits, *(10 * wait for wait in waits)]:
                if wait > 0.04 and interrupted > 3:
                    break
                try:
                    signal.setitimer(signal.ITIMER_REAL, wait)
                    fitted, history = xpnn.fit(NET, params, X, Y, epochs=20_000, progress=False)
                except KeyboardInterrupt:  # before the first epoch
                    continue
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0.0)
                interrupted += history.stopped == "interrupted"
                if len(history) and len(history) < 500:
                    again, _ = xpnn.fit(NET, params, X, Y, epochs=len(history))
                    for a, b in zip(fitted, again, strict=True):
                        np.testing.assert_allclose(
                            backend.to_numpy(a.W), backend.to_numpy(b.W), rtol=1e-4, atol=1e-6
                        )
    finally:
        signal.signal(signal.SIGALRM, handler)
    assert interrupted > 3


# ---- threads and tasks -----------------------------------------------------------------------


SWITCHES = 1000
PAIRS = [("numpy", "array_api_strict:device1"), ("numpy", "torch"), ("torch", "jax")]


def switch_and_compute(spec, dtype, expected, meet):
    """Enter a backend, wait until others have entered theirs, and raise unless all is there."""
    with xpnn.use_backend(spec, dtype) as backend:
        meet()
        assert xpnn.get_backend() is backend
        params = NET.init(rng=0)
        assert (type(backend).of(params[0].W).spec, backend.dtype_name) == (backend.spec, dtype)
        assert float(NET.forward(params, X[:, :2])[0][0, 0]) == pytest.approx(expected, rel=1e-5)
    assert xpnn.get_backend().spec == "numpy:cpu"


def first_output():
    with xpnn.use_backend("numpy", "float64"):
        return float(NET.forward(NET.init(rng=0), X[:, :2])[0][0, 0])


@pytest.mark.slow("jax", "array_api_strict")
@pytest.mark.parametrize("specs", PAIRS, ids=" and ".join)
def test_two_threads_on_different_backends(specs):
    expected, errors, done = first_output(), [], []
    both = threading.Barrier(2, timeout=60)

    def work(spec, dtype):
        try:
            for _ in range(SWITCHES):
                switch_and_compute(spec, dtype, expected, both.wait)
            done.append(spec)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            errors.append(error)
            both.abort()

    threads = [
        threading.Thread(target=work, args=each)
        for each in zip(specs, ("float64", "float32"), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(done) == sorted(specs)


@pytest.mark.slow("jax", "array_api_strict")
@pytest.mark.parametrize("specs", PAIRS, ids=" and ".join)
def test_two_tasks_on_different_backends(specs):
    expected = first_output()
    turns = []

    async def work(spec, dtype):
        for _ in range(SWITCHES):
            with xpnn.use_backend(spec, dtype) as backend:
                await asyncio.sleep(0)  # the other task has its turn inside of this block
                assert xpnn.get_backend() is backend
                turns.append(spec)
                switch = NET.forward(NET.init(rng=0), X[:, :2])[0]
                assert type(backend).of(switch) == backend
                assert float(switch[0, 0]) == pytest.approx(expected, rel=1e-5)

    async def both():
        await asyncio.gather(*(map(work, specs, ("float64", "float32"))))

    asyncio.run(both())
    assert len(turns) == 2 * SWITCHES
    assert sum(a != b for a, b in pairwise(turns)) > SWITCHES  # they did switch
