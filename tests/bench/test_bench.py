"""What the benchmarks lean on: workloads, the floor, conditions, crossings, reports."""

import json
import os
import re
import sys
from collections import Counter

import numpy as np
import pytest
import threadpoolctl

from xpnn import bench, demos
from xpnn._backends import numpy_namespace
from xpnn._backends.base import Backend
from xpnn.cli import main
from xpnn.table import Table

AVX512 = "model name\t: Some Processor\nflags\t\t: fpu avx2 avx512f avx512bw\n"
NO_AVX512 = "model name\t: Other Processor\nflags\t\t: fpu avx2\n"
OPENBLAS = {
    "user_api": "blas",
    "internal_api": "openblas",
    "version": "0.3.30",
    "architecture": "SkylakeX",
    "num_threads": 4,
}
OPENMP = {"user_api": "openmp", "internal_api": "openmp", "version": None, "num_threads": 1}
NVIDIA_SMI = """
Driver Version                            : 550.54.15
CUDA Version                              : 12.4
Attached GPUs                             : 2
GPU 00000000:18:00.0
    Product Name                          : NVIDIA H200
GPU 00000000:2A:00.0
    Product Name                          : NVIDIA H200
"""
module = sys.modules["xpnn.bench.conditions"]  # the function hides it
tiny = bench.Workload("tiny", (3, 4, 5, 2), "tanh", "softmax", 12, 4, 2)


# ---- conditions -------------------------------------------------------------


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Return a function that makes conditions() see another machine; it returns their lines."""
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)

    def machine(cpuinfo=AVX512, pools=(OPENBLAS,), cores=4, used=4, gpus=()):
        path = tmp_path / "cpuinfo"
        path.write_text(cpuinfo, encoding="utf-8")
        monkeypatch.setattr(module, "CPUINFO", path)
        monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda: list(pools))
        monkeypatch.setattr(os, "cpu_count", lambda: cores)
        monkeypatch.setattr(module, "cores_used", lambda: used)
        monkeypatch.setattr(module, "gpus", lambda: gpus)
        return bench.conditions()

    return machine


def notes(lines):
    return [line for line in lines if line.startswith("note:")]


def test_conditions_of_a_good_machine(machine):
    lines = machine()
    assert lines[0].startswith("Some Processor (AVX-512), 4 of 4 core(s) used, Python 3.")
    assert lines[1] == "openblas 0.3.30, SkylakeX kernels, 4 thread(s)"
    assert f"numpy {np.__version__}" in lines[-1]
    assert notes(lines) == []


def test_conditions_leave_out_openmp_and_repetitions(machine):
    lines = machine(pools=[OPENMP, OPENBLAS, OPENMP, OPENBLAS])
    assert not [line for line in lines if "openmp" in line or "None" in line]
    assert len([line for line in lines if line.startswith("openblas")]) == 1


@pytest.mark.parametrize("kernels", ["Haswell", "Zen"])
def test_a_note_of_kernels_without_avx512(machine, kernels):
    slow = OPENBLAS | {"architecture": kernels}
    (note,) = notes(machine(pools=[slow]))
    assert "AVX-512" in note
    assert kernels in note
    assert notes(machine(cpuinfo=NO_AVX512, pools=[slow])) == []
    assert notes(machine(pools=[slow | {"internal_api": "mkl"}])) == []


def test_a_note_of_a_chosen_architecture(machine, monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    (note,) = notes(machine())
    assert "OPENBLAS_CORETYPE=Haswell" in note
    assert "unset" in note


@pytest.mark.parametrize("few", [{"used": 1}, {"pools": [OPENBLAS | {"num_threads": 1}]}])
def test_a_note_of_one_thread_among_many_cores(machine, few):
    (note,) = notes(machine(**few))
    assert "4 cores" in note
    assert notes(machine(cores=1, used=1, pools=[OPENBLAS | {"num_threads": 1}])) == []


def test_conditions_name_the_gpus(machine):
    gpus = module.parse_gpus(NVIDIA_SMI)
    assert gpus == (module.Gpu("NVIDIA H200", "550.54.15", "12.4"),) * 2
    assert "NVIDIA H200, driver 550.54.15, CUDA 12.4" in machine(gpus=gpus)
    assert module.parse_gpus("no devices were found") == ()


def test_conditions_name_the_precision_of_libraries_at_hand(machine, monkeypatch):
    class Torch:
        get_float32_matmul_precision = staticmethod(lambda: "high")

    monkeypatch.setitem(module.sys.modules, "torch", Torch)
    assert "float32 matrix products of torch: high" in machine()


def test_nothing_of_the_machine_is_needed(machine, monkeypatch, tmp_path):
    machine()
    monkeypatch.setattr(module, "CPUINFO", tmp_path / "missing")
    assert bench.conditions()


# ---- workloads and their floor ----------------------------------------------


def test_workloads():
    assert len({workload.name for workload in bench.WORKLOADS}) == len(bench.WORKLOADS)
    for workload in bench.WORKLOADS:
        assert workload.m % workload.batch == 0  # peers make equal steps
        assert workload.steps * workload.batch == workload.epochs * workload.m
    assert [w.name[:4] for w in bench.WORKLOADS if w.gpu_only] == ["4096"]


def test_rows():
    X, Y = tiny.rows()
    assert (X.shape, Y.shape) == ((12, 3), (12, 2))
    assert (X.dtype, Y.dtype) == (np.float32, np.float32)


@pytest.mark.slow("jax")
def test_training_returns_a_cost_an_epoch(backend):
    for optimizer in bench.OPTIMIZERS.values():
        costs = bench.training(tiny, optimizer, backend)()
        assert len(costs) == 2
        assert costs[1] < costs[0]


MADE: Counter = Counter()


class Counted(np.ndarray):
    """An array that counts the products it takes part in."""

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if ufunc is np.matmul:
            a, b = inputs
            MADE[a.shape[0], a.shape[1], b.shape[1]] += 1
        plain = [np.asarray(a) for a in inputs]
        kwargs.pop("out", None)
        return getattr(ufunc, method)(*plain, **kwargs).view(Counted)


class CountingBackend(Backend):
    name = "counting"
    module = "array_api_compat.numpy"
    compiled = False

    def asarray(self, x, dtype=None, copy=None):
        return np.asarray(x).view(Counted)


class CompilingBackend(CountingBackend):
    compiled = True


@pytest.mark.parametrize("kind", [CountingBackend, CompilingBackend])
def test_the_floor_makes_the_products_of_training(kind, monkeypatch):
    """The shapes (rows, inner, columns) of W A, of dZ Aᵀ, and of Wᵀ dZ but for the first layer."""
    counting = kind(numpy_namespace, "cpu", np.float32)
    monkeypatch.setattr(kind, "xp", numpy_namespace, raising=False)
    run = bench.matmul_floor(tiny, counting)
    MADE.clear()
    run()
    forward = [(4, 3, 4), (5, 4, 4), (2, 5, 4)]
    dW = [(4, 4, 3), (5, 4, 4), (2, 4, 5)]
    dA = [(4, 5, 4), (5, 2, 4)]
    expected = Counter((forward + dW + dA) * tiny.steps)
    assert expected == MADE


def test_the_floor_runs_everywhere(backend):
    bench.matmul_floor(tiny, backend)()


def test_throughput(backend):
    found = bench.throughput(tiny, backend)
    assert found.examples_per_second > 0.0
    assert found.share_of_floor > 0.0


# ---- crossings --------------------------------------------------------------


def test_crossover_between_two_sizes():
    # a GPU that takes 1e-5 s for any size, against 1e-9 s a number
    n = bench.crossover([10**2, 10**3, 10**4, 10**5], [1e-5] * 4, [1e-7, 1e-6, 1e-5, 1e-4])
    assert n == pytest.approx(1e4)
    n = bench.crossover([10**3, 10**5], [1e-5] * 2, [1e-6, 1e-4])
    assert n == pytest.approx(1e4)


@pytest.mark.parametrize(
    ("gpu", "cpu", "expected"),
    [
        ([1.0, 1.0], [2.0, 2.0], 10.0),  # always
        ([1.0, 1.0], [0.5, 0.9], None),  # never
        ([1.0, 1.0, 1.0], [2.0, 0.5, 2.0], pytest.approx(10**2.5)),  # the last crossing counts
        ([1.0], [2.0, 2.0], 10.0),  # only the sizes that both have
        ([], [1.0], None),
    ],
)
def test_crossover_at_the_edges(gpu, cpu, expected):
    assert bench.crossover([10, 100, 1000], gpu, cpu) == expected


def test_times_by_size(backend, monkeypatch):
    monkeypatch.setattr("xpnn.bench.sizes.SIZES", (10, 100))
    for operation in ("dot product", "tanh"):
        times = bench.times_by_size(operation, backend)
        assert len(times) == 2
        assert min(times) > 0.0


# ---- reports ----------------------------------------------------------------


def test_write_report(tmp_path):
    pytest.importorskip("matplotlib").use("Agg")
    row = ("dot", "1,234", "1.50 (1.40–1.60)", "1.3 / 1.75", "**0.76**")
    table = Table(("what", "ms", "ratio", "at least", "found"), [row])
    figure = bench.plot_sizes({"tanh": {"numpy:cpu": [1e-6, 2e-6]}})
    stem = tmp_path / "new" / "2026-01-02-cpu"
    path = bench.write_report(stem, "Title", ["a line"], {"Table": table}, {"plot": figure}, [1])
    text = path.read_text(encoding="utf-8")
    assert re.match(r"# Title\n\n\d{4}-\d\d-\d\d\.\n\n- a line\n", text)
    assert "![plot](2026-01-02-cpu-plot.png)" in text
    assert f"| --- |{' ---: |' * 4}\n| {' | '.join(row)} |" in text
    assert (tmp_path / "new" / "2026-01-02-cpu-plot.png").exists()
    written = json.loads((tmp_path / "new" / "2026-01-02-cpu.json").read_text(encoding="utf-8"))
    assert written == {"conditions": ["a line"], "data": [1]}


def test_command(capsys, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("xpnn.bench.WORKLOADS", (tiny,))
    monkeypatch.setattr("xpnn.bench.SIZES", (10, 100))
    monkeypatch.setattr("xpnn.bench.sizes.SIZES", (10, 100))
    monkeypatch.setattr("xpnn.bench.plots.SIZES", (10, 100))
    shortened = demos.vectorization(1000)
    monkeypatch.setattr("xpnn.demos.vectorization", lambda: shortened)
    monkeypatch.setenv("JAX_DEFAULT_MATMUL_PRECISION", "")  # to be restored
    monkeypatch.delenv("JAX_DEFAULT_MATMUL_PRECISION")
    assert main(["bench", "--backend", "numpy", "--report", str(tmp_path)]) == 0
    assert os.environ["JAX_DEFAULT_MATMUL_PRECISION"] == "highest"
    printed = capsys.readouterr().out
    assert "dot product of n numbers" in printed
    assert "the GPU" not in printed
    (report,) = tmp_path.glob("bench-*.md")
    for heading in ("Explicit loops", "dot product of n", "tanh of n", "Training"):
        assert f"\n## {heading}" in report.read_text(encoding="utf-8")
