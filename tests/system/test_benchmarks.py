"""What `benchmarks/` stands on: the processes that time, and what README shows of a report."""

import json
import os
from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
THREADS = "OMP_NUM_THREADS"


@pytest.fixture
def workers(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return import_module("workers")


@pytest.fixture
def worker(workers):
    worker = workers.Worker("1")
    yield worker
    worker.close()


def test_a_worker_is_a_process_with_one_thread(worker, monkeypatch):
    assert worker.call("os:getpid") != os.getpid()
    assert worker.call("os:getenv", THREADS) == "1"
    if hasattr(os, "sched_getaffinity"):
        assert len(worker.call("os:sched_getaffinity", 0)) == 1


def test_a_worker_with_all_threads(workers, monkeypatch):
    monkeypatch.setenv(THREADS, "1")
    worker = workers.Worker("all")
    assert worker.call("os:getenv", THREADS) is None
    worker.close()
    assert os.environ[THREADS] == "1"


def test_a_worker_times_its_own_run(workers, worker):
    side = workers.Side("sleeper", "functools:partial", (import_module("time").sleep, 0.01))
    assert worker.prepare(side) is None
    assert 0.01 <= worker.run() < 1.0


def test_what_does_not_work_here_is_told_from_what_is_wrong(workers, worker):
    def prepare(factory, *arguments):
        worker.prepare(workers.Side("", factory, arguments))

    with pytest.raises(workers.UnavailableError, match="no_such_library"):
        prepare("importlib:import_module", "no_such_library")
    with pytest.raises(workers.UnavailableError, match="no device"):
        prepare("xpnn._backends.selection:resolve", "numpy:cuda", "float32")
    with pytest.raises(RuntimeError, match="no_such_module"):
        prepare("no_such_module:function")
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        prepare("operator:truediv", 1, 0)


def test_the_block_of_the_readme(workers, tmp_path, monkeypatch):
    readme = import_module("readme")
    monkeypatch.setattr(readme, "ROOT", tmp_path)
    (tmp_path / "README.md").write_text(
        f"before\n{readme.BEGIN}\nof last time\n{readme.END}\nafter\n", encoding="utf-8"
    )
    results = tmp_path / "benchmarks" / "results"
    results.mkdir(parents=True)
    common = {"workload": "2-4-1, 400, full batch", "xpnn on": "numpy:cpu"}
    data = [
        {**common, "peer": "PyTorch", "optimizer": "gradient descent", "ratio": 3.494},
        {**common, "peer": "PyTorch", "optimizer": "Adam", "ratio": 3.496},
        {**common, "peer": "no peer", "optimizer": "Adam", "ratio": 9.0},
        {"table": "memory"},
    ]
    for name in ("2026-01-02-cpu", "2026-01-03-cpu-part", "bench-2026-01-03-cpu"):
        report = {"conditions": ["a computer"], "data": data}
        (results / f"{name}.json").write_text(json.dumps(report), encoding="utf-8")
    readme.main()
    readme.main()
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    row = "| PyTorch | numpy:cpu | 2-4-1, 400, full batch | 3.5 | **3.49** | 3.50 |"
    assert text.count(" | numpy:cpu | ") == 1
    assert row in text
    assert "(benchmarks/results/2026-01-02-cpu-ratios.png)" in text
    assert "2026-01-02. a computer." in text
    assert "of last time" not in text
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")


def test_the_newest_report_has_all_that_is_aimed_at(workers):
    targets = import_module("targets")
    newest = import_module("readme").newest()
    data = json.loads(newest.read_text(encoding="utf-8"))["data"]
    for target in targets.aims():
        if target.on.startswith("cupy") and newest.stem.endswith("cpu"):
            continue
        measured = targets.ratios(target, data)
        assert len(measured) == (1 if "fused" in target.against else 2), target
