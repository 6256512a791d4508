"""Says under which conditions the figures were taken, and lists them in tables.

``--report FILE`` writes both as Markdown: what lies in ``results/`` was made by it.
"""

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import pytest

from xpnn.bench import conditions


class Table(NamedTuple):
    """A table of the report: a row for each benchmark whose ``extra_info`` has the figure."""

    title: str
    figure: str
    columns: str
    row: Callable[[str, dict], str]


TABLES = (
    Table(
        "`xpnn.fit` over the same training by hand: medians of interleaved pairs",
        "ratio",
        "| backend | workload | fit, ms | by hand, ms | ratio |",
        lambda workload, info: (
            f"| {info['backend']} | {workload} | {info['fit_median_s'] * 1e3:.2f} "
            f"| {info['by_hand_median_s'] * 1e3:.2f} | {info['ratio']:.3f} |"
        ),
    ),
    Table(
        "`MLPClassifier.fit`: time of scikit-learn / time of xpnn, median of neighbouring pairs",
        "speedup",
        "| backend | workload | scikit-learn, ms | xpnn, ms | ratio |",
        lambda workload, info: (
            f"| {info['backend']} | {workload} | {info['sklearn_median_s'] * 1e3:.1f} "
            f"| {info['xpnn_median_s'] * 1e3:.1f} | {info['speedup']:.2f} |"
        ),
    ),
    Table(
        "`MLPClassifier.fit` and `predict`: peak memory beyond the data, scikit-learn / xpnn",
        "sklearn_peak_bytes",
        "| backend | workload | scikit-learn, MiB | xpnn, MiB | ratio |",
        lambda workload, info: (
            f"| {info['backend']} | {workload} | {info['sklearn_peak_bytes'] / 2**20:.0f} "
            f"| {info['xpnn_peak_bytes'] / 2**20:.0f} "
            f"| {info['sklearn_peak_bytes'] / info['xpnn_peak_bytes']:.2f} |"
        ),
    ),
)


def pytest_addoption(parser):
    parser.addoption("--report", metavar="FILE", help="write conditions and tables as Markdown")


@pytest.fixture
def time_in_pairs(benchmark):
    """Return a function that times ``theirs``, then ``ours``, and again: rounds of pairs.

    It returns the seconds that each took, pair by pair; None where nothing is timed.
    """

    def time_in_pairs(theirs, ours, rounds, warmup_rounds):
        their_seconds = []

        def time_theirs():
            began = perf_counter()
            theirs()
            their_seconds.append(perf_counter() - began)

        benchmark.pedantic(ours, setup=time_theirs, rounds=rounds, warmup_rounds=warmup_rounds)
        if benchmark.stats is None:
            return None
        return their_seconds[warmup_rounds:], benchmark.stats.stats.data

    return time_in_pairs


def pytest_report_header():
    return conditions()


def pytest_terminal_summary(terminalreporter, config):
    """Print the tables that have rows."""
    session = getattr(config, "_benchmarksession", None)
    tables = [
        (table, rows)
        for table in TABLES
        if (rows := list(rows_of(table, getattr(session, "benchmarks", ()))))
    ]
    for table, rows in tables:
        terminalreporter.section(table.title.replace("`", ""))
        for row in (table.columns, *rows):
            terminalreporter.write_line(row)
    if tables and config.getoption("--report"):
        Path(config.getoption("--report")).write_text("\n".join(report(tables)))


def rows_of(table, benchmarks):
    for benchmark in benchmarks:
        if table.figure in benchmark.extra_info:
            yield table.row(benchmark.group, benchmark.extra_info)


def report(tables):
    """List the lines of the report."""
    today = dt.datetime.now(tz=dt.UTC).date()
    lines = ["# Benchmarks", "", f"{today}. float32 unless a workload says otherwise. One run.", ""]
    lines += [f"- {line}" for line in conditions()]
    lines += [f"- {len(os.sched_getaffinity(0))} core(s) used"]
    for table, rows in tables:
        rule = "| --- | --- | ---: | ---: | ---: |"
        lines += ["", f"## {table.title}", "", table.columns, rule, *rows]
    return [*lines, ""]
