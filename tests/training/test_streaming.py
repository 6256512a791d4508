"""Data that stay on the host: the same training as of data on the device."""

import sys
import tracemalloc
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import xpnn
from tests.helpers import to_numpy
from xpnn._backends.base import IN_FLIGHT
from xpnn._backends.cupy import CupyBackend, copying_stream
from xpnn._backends.numpy import NumpyBackend
from xpnn.training import streaming

M, N = 103, 7


@pytest.fixture
def data(rng):
    X = rng.standard_normal((M, N))
    return X, rng.integers(0, 3, (1, M)), rng.uniform(0.5, 2.0, (1, M))


@pytest.fixture
def mapped(data, tmp_path):
    """X as columns of a file of rows in float64."""
    np.save(tmp_path / "X.npy", data[0])
    return np.load(tmp_path / "X.npy", mmap_mode="r").T


@pytest.fixture(params=["one step a chunk", "five steps a chunk", "one chunk"])
def chunk(request, monkeypatch):
    """How many steps' rows are moved at once."""
    steps = {"one step a chunk": 0, "five steps a chunk": 5, "one chunk": 1000}[request.param]
    monkeypatch.setattr(streaming, "CHUNK", steps * 10 * N * 4)


def train(X, Y, s=None, **options):
    net = xpnn.Network([N, 5, 3])
    options = {"epochs": 3, "batch_size": 10, "l2": 0.1} | options
    return net, *xpnn.fit(net, net.init(1), X, Y, sample_weight=s, progress=False, **options)


@pytest.mark.slow("jax", "array_api_strict")
@pytest.mark.parametrize("weighted", [False, True])
def test_a_mapped_file_gives_the_same(backend, data, mapped, chunk, weighted):
    X, Y, s = data
    s = s if weighted else None
    _, params, history = train(X.T, Y, s)
    _, streamed, streamed_history = train(mapped, Y, s)
    np.testing.assert_allclose(streamed_history.cost, history.cost, rtol=1e-5)
    for found, right in zip(to_numpy(backend, streamed), to_numpy(backend, params), strict=True):
        np.testing.assert_allclose(found.W, right.W, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.b, right.b, rtol=1e-4, atol=1e-5)
        assert type(backend).of(streamed[0].W) == backend


def test_bit_for_bit_on_numpy(data, mapped, chunk):
    X, Y, _ = data
    with xpnn.use_backend("numpy", "float64"):
        _, params, history = train(X.T, Y)
        _, streamed, streamed_history = train(mapped, Y)
    assert streamed_history.cost == history.cost
    for found, right in zip(streamed, params, strict=True):
        np.testing.assert_array_equal(found.W, right.W)
        np.testing.assert_array_equal(found.b, right.b)


def test_a_chunk_is_sent_before_the_steps_of_the_one_before(mapped, data, monkeypatch):
    """So that a device that computes by itself copies it meanwhile."""
    monkeypatch.setattr(streaming, "CHUNK", 40 * N * 4)  # 103 examples: three chunks
    seen = []

    @contextmanager
    def async_copies(self):
        def copy_async(x):
            def arrived():
                seen.append(f"{len(x)} there")
                return x

            seen.append(f"{len(x)} sent")
            return arrived

        yield copy_async
        seen.append("done")

    take_rows = NumpyBackend.take_rows

    def taking(self, a, indices):
        if a.shape[1] == N:
            seen.append(f"step of {len(indices)}")
        return take_rows(self, a, indices)

    monkeypatch.setattr(NumpyBackend, "async_copies", async_copies)
    monkeypatch.setattr(NumpyBackend, "take_rows", taking)
    with xpnn.use_backend("numpy"):
        train(mapped, data[1], epochs=1)
    of_X = [what for what, after in zip(seen, [*seen[1:], ""], strict=True) if what != after]
    steps = ["step of 10"]
    assert of_X == [
        "40 sent",
        "40 there",
        "40 sent",
        *steps,
        "40 there",
        "30 sent",
        *steps,
        "30 there",
        "step of 10",
        "step of 3",
        "done",
    ]


class Stream:
    """A CUDA stream that writes down what is asked of it."""

    log = ()

    def __init__(self, name="copying", *, non_blocking=True):
        self.name = name

    def record(self):
        event = SimpleNamespace(after=f"{self.name} so far")
        event.synchronize = lambda: self.log.append(f"host waits for {event.after}")
        return event

    def wait_event(self, event):
        self.log.append(f"{self.name} waits for {event.after}")

    def synchronize(self):
        self.log.append(f"host waits for {self.name}")


class Moved(np.ndarray):
    def set(self, x, stream):
        self[...] = x
        stream.log.append(f"{stream.name} copies")


@pytest.fixture
def cupy_log(monkeypatch):
    """Put modules in the place of CuPy's; yield what their streams are asked for."""
    monkeypatch.setattr(Stream, "log", [])
    computing = Stream("computing")
    cuda = SimpleNamespace(
        get_current_stream=lambda: computing, Stream=Stream, Device=lambda i: nullcontext()
    )
    cupy = SimpleNamespace(cuda=cuda, empty=lambda *given: np.empty(*given).view(Moved))
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "cupyx", SimpleNamespace(empty_pinned=np.empty))
    copying_stream.cache_clear()
    yield Stream.log
    copying_stream.cache_clear()


def test_copies_on_cupy_wait_and_are_waited_for(cupy_log):
    """As the memory they write to may still be read, and that they read from be used again."""
    backend = CupyBackend(np, SimpleNamespace(id=0), np.dtype("float32"))
    begin = ["copying waits for computing so far", "copying copies"]
    end = ["computing waits for copying so far"]
    with suppress(KeyboardInterrupt), backend.async_copies() as copy_async:
        arrived = copy_async(np.arange(3.0))
        assert cupy_log == begin
        np.testing.assert_array_equal(arrived(), np.arange(3.0))
        assert cupy_log == begin + end
        cupy_log.clear()
        for _ in range(IN_FLIGHT - 1):
            copy_async(np.zeros(2))
        assert cupy_log == (IN_FLIGHT - 1) * begin
        cupy_log.clear()
        copy_async(np.zeros(2))
        assert cupy_log == ["host waits for copying so far", *begin]
        cupy_log.clear()
        raise KeyboardInterrupt
    assert cupy_log == ["host waits for copying"]


def test_what_does_not_fit_the_device_is_streamed(backend, data, monkeypatch):
    X, Y, _ = data
    monkeypatch.setattr(streaming, "CHUNK", 10 * N * 4)  # one mini-batch
    monkeypatch.setattr(type(backend), "free_memory", lambda self: 2 * X.size * 4)
    with xpnn.audit() as audit:
        _, _, history = train(X.T, Y)
    fits = {where for kind, where in audit.found if kind == "to device"}
    assert not any("streaming" in where for where in fits)
    monkeypatch.setattr(type(backend), "free_memory", lambda self: 2 * X.size * 4 - 1)
    with xpnn.audit() as audit:
        _, _, streamed = train(X.T, Y)
    np.testing.assert_allclose(streamed.cost, history.cost, rtol=1e-5)
    if backend.name != "numpy":
        moved = {where: n for (kind, where), n in audit.found.items() if kind == "to device"}
        lines = [n for where, n in moved.items() if "streaming.py" in where]
        assert sum(times for times, _ in lines) >= 3 * 11 * 2  # X and Y of each step, and more
        assert sum(nbytes for _, nbytes in lines) >= 3 * M * (N + 3) * 4
        assert not any("check_X" in where for where in moved)


def test_the_full_batch_is_not_streamed(mapped, data):
    _, Y, _ = data
    with xpnn.use_backend("array_api_strict"), xpnn.audit() as audit:
        train(mapped, Y, batch_size=None)
        train(mapped, Y, batch_size=M)
    assert not any("streamed" in where for _, where in audit.found)


def test_targets_and_weights_may_lie_on_the_device(backend, data, mapped):
    _, Y, s = data
    _, _, history = train(mapped, Y, s)
    _, _, on_device = train(mapped, backend.asarray(Y), backend.asarray(s))
    np.testing.assert_allclose(on_device.cost, history.cost, rtol=1e-6)


def test_resumed_from_a_checkpoint(backend, data, mapped, tmp_path):
    _, Y, s = data
    checkpoint = xpnn.Checkpoint(tmp_path / "run.safetensors", every=1, resume=True)
    _, _, whole = train(mapped, Y, s, epochs=4)
    train(mapped, Y, s, epochs=2, checkpoint=checkpoint)
    _, _, history = train(mapped, Y, s, epochs=4, checkpoint=checkpoint)
    np.testing.assert_allclose(history.cost, whole.cost, rtol=1e-6)
    with pytest.raises(xpnn.ArgumentError, match="another X"):
        train(mapped[:, ::-1], Y, s, epochs=5, checkpoint=checkpoint)


def test_bad_data_are_found_on_the_host(backend, data, tmp_path):
    X, Y, s = data
    X[90, 3] = np.nan
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r").T
    with pytest.raises(xpnn.ArgumentError, match="X: expected finite numbers"):
        train(mapped, Y)
    with pytest.raises(xpnn.ArgumentError, match=r"X: expected shape \(7, m\)"):
        train(mapped[:6], Y)
    with pytest.raises(xpnn.ArgumentError, match="Y: expected labels from 0 to 2"):
        train(mapped[:, :90], Y[:, :90] + 1)
    with pytest.raises(xpnn.ArgumentError, match=r"expected shape \(1, 90\)"):
        train(mapped[:, :90], Y[:, :90], s)


@pytest.mark.slow("jax")
def test_divergence_names_step_and_layer(backend, mapped, data):
    X, Y, _ = data
    words = []
    for given in (X.T, mapped):
        with pytest.raises(xpnn.DivergenceError) as error:
            train(given, Y, optimizer=xpnn.optimizers.gradient_descent(1e30), epochs=2)
        words.append(str(error.value))
    assert words[0] == words[1]


@pytest.mark.parametrize("layout", ["rows", "columns", "some columns of rows"])
def test_little_memory_of_its_own(tmp_path, layout, monkeypatch):
    """A file of 128 MiB costs a few chunks of memory, whatever lies beside what in it."""
    monkeypatch.setattr(streaming, "CHUNK", 2**23)
    shape = (256, 2**17) if layout == "columns" else (2**17, 256)
    file = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, shape)
    file[:] = 1.0
    file.flush()
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    X = {"rows": X.T, "columns": X, "some columns of rows": X[:, 1:].T}[layout]
    rows = X[:, ::8].T[:128]  # is it gathered without a copy of the whole?
    assert streaming.is_mapped(rows)
    tracemalloc.start()
    streaming.gathered(X.T, np.arange(128), xpnn.set_backend("numpy"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20
    net = xpnn.Network([X.shape[0], 1], output="sigmoid")
    Y = np.zeros((1, X.shape[1]), dtype=np.float32)
    peaks = []

    def note(report):
        peaks.append(anonymous())

    before = anonymous()
    xpnn.fit(net, net.init(), X, Y, epochs=1, callbacks=[note], progress=False)
    assert max(peaks) - before < 64


def test_what_is_mapped(tmp_path):
    file = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float64, (6, 4))
    for window in (file, file.T, file[1:, ::2], np.asarray(file).T[:2]):
        assert streaming.is_mapped(window)
    for copy in (file.copy(), file.astype(np.float32), file / 255.0, file[[0, 2]], np.zeros(3)):
        assert not streaming.is_mapped(copy)


def test_jax_compiles_for_few_shapes(mapped, data, monkeypatch):
    jax = pytest.importorskip("jax")
    _, Y, _ = data
    sent = []
    with xpnn.use_backend("jax"), monkeypatch.context() as patched:
        send = jax.device_put

        def seen(x, device):
            sent.append(x.shape)
            return send(x, device)

        patched.setattr(jax, "device_put", seen)
        train(mapped, Y, epochs=50)
    of_X = {shape for shape in sent if len(shape) == 2 and shape[1] == N and shape[0] != 5}  # W1
    # how many epochs run at once is a matter of time; whatever it is, there are 7 shapes at most
    assert of_X
    assert of_X <= {(10 * steps, N) for steps in (1, 2, 4, 8, 16, 32, 64)}


def anonymous():
    """Return the private memory of this process in MiB."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except FileNotFoundError:
        pytest.skip("private memory is read from Linux's /proc")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return int(fields["RssAnon"].split()[0]) / 1024
