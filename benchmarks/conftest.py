"""Runs the two sides of a comparison in turn, and reports what came out.

``--report DIR`` writes Markdown, JSON and pictures; what lies in ``results/`` was made by it.
"""

import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # here, and in the workers, which inherit it

from plots import FIGURES
from tables import TABLES
from targets import targets
from workers import UnavailableError, Worker

from xpnn.bench import report_name, write_report
from xpnn.plot._canvas import pyplot
from xpnn.table import Table

ROUNDS = (7, 15)  # at least and at most
SPECS = ("numpy:cpu", "torch:cpu", "jax:cpu", "cupy:cuda:0", "torch:cuda", "jax:gpu")
BUDGET = 3.0  # seconds for the rounds of a comparison, if that is between them


def pytest_addoption(parser):
    parser.addoption("--report", metavar="DIR", help="write tables and plots into this folder")
    parser.addoption(
        "--threads", choices=("1", "all"), default="1", help="of each side (default: 1)"
    )


def pytest_configure(config):
    config.workers, config.reasons = {}, Counter()
    if config.getoption("--report"):
        pyplot().switch_backend("Agg")  # say now if it is missing


def pytest_unconfigure(config):
    for worker in config.workers.values():
        worker.close()


# ---- timing -----------------------------------------------------------------

seconds_of_ours = 0.0


def clock():
    """Tell pytest-benchmark the time that the worker of our side has measured."""
    return seconds_of_ours


def pytest_collection_modifyitems(items):
    for item in items:
        if "compare" in item.fixturenames:
            item.add_marker(pytest.mark.benchmark(timer=clock))


@pytest.fixture
def worker(request):
    """Return a function that returns the worker of a name, and starts it if need be."""
    workers = request.config.workers

    def worker(name):
        if name not in workers:
            workers[name] = Worker(request.config.getoption("--threads"))
        return workers[name]

    return worker


@pytest.fixture
def compare(request, benchmark, worker):
    """Return a function that times ``theirs``, then ``ours``, and again: pairs.

    Each side is timed in its own process, by itself. ``labels`` go into the tables of the report.
    """

    def compare(theirs, ours, check=None, **labels):
        try:
            costs = [worker(side.worker).prepare(side) for side in (ours, theirs)]
        except UnavailableError as reason:
            request.config.reasons[str(reason)] += 1
            pytest.skip(str(reason))
        if check is not None:
            check(*costs)
        their_seconds, our_seconds = [], []

        def run_theirs():
            their_seconds.append(worker(theirs.worker).run())

        def run_ours():
            global seconds_of_ours
            our_seconds.append(worker(ours.worker).run())
            seconds_of_ours += our_seconds[-1]

        run_theirs()  # how many rounds are there time for?
        run_ours()
        fit_in = int(BUDGET / (their_seconds.pop() + our_seconds.pop()))
        rounds = min(max(fit_in, ROUNDS[0]), ROUNDS[1])
        benchmark.pedantic(run_ours, setup=run_theirs, rounds=rounds)
        if benchmark.stats is not None:
            benchmark.extra_info.update(labels | figures(their_seconds, our_seconds))

    return compare


def fits(workload, spec):
    """Whether the workload is of a size for that device."""
    return not (workload.gpu_only and ":cpu" in spec)


def figures(theirs, ours):
    """Return medians of seconds, and of the ratios of each pair with their quartiles."""
    low, middle, high = quantiles([a / b for a, b in zip(theirs, ours, strict=True)], n=4)
    return {
        "their_seconds": median(theirs),
        "our_seconds": median(ours),
        "ratio": middle,
        "ratio_low": low,
        "ratio_high": high,
        "rounds": len(ours),
    }


def costs_agree(ours, theirs):
    """Raise unless the first costs are the same; after them, rounding in float32 grows."""
    np.testing.assert_allclose(ours[:3], theirs[:3], rtol=1e-3)


# ---- reporting --------------------------------------------------------------


def pytest_terminal_summary(terminalreporter, config):
    """Print the tables that have rows, and write the report."""
    session = getattr(config, "_benchmarksession", None)
    data = [dict(found.extra_info) for found in getattr(session, "benchmarks", ())]
    if not data:
        return
    by_kind = {kind: [row for row in data if row.get("table") == kind] for kind in TABLES}
    tables = {TABLES[kind][0]: TABLES[kind][1](rows) for kind, rows in by_kind.items() if rows}
    tables = targets(data) | tables
    if config.reasons:
        rows = sorted(config.reasons.items())
        tables["What was not measured"] = Table(("reason", "comparisons"), rows)
    for title, table in tables.items():
        terminalreporter.section(title.replace("`", ""))
        terminalreporter.write_line(repr(table))
    threads = config.getoption("--threads")
    described = described_by_a_worker(threads)
    if config.getoption("keyword"):
        described.append(f"note: a part of the suite, -k {config.getoption('keyword')!r}.")
    terminalreporter.section("conditions")
    terminalreporter.write_line("\n".join(described))
    if config.getoption("--report"):
        part = "-part" if config.getoption("keyword") else ""
        all_threads = "-all-threads" if threads == "all" else ""
        stem = Path(config.getoption("--report"), report_name() + all_threads + part)
        drawn = {name: draw(data) for name, draw in FIGURES.items()}
        drawn = {name: figure for name, figure in drawn.items() if figure is not None}
        written = write_report(stem, "Benchmarks", described, tables, drawn, data)
        terminalreporter.write_line(f"\nreport in {written}")


def described_by_a_worker(threads):
    """Return the conditions as a worker finds them that has imported every library."""
    with closing(Worker(threads)) as worker:
        worker.call("xpnn:backends")
        described = worker.call("xpnn.bench:conditions")
    return [f"threads a side: {threads}; float32", *described]
