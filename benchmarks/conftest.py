"""Says under which conditions the figures were taken, and lists the interleaved ratios.

``--report FILE`` writes both as Markdown: what lies in ``results/`` was made by it.
"""

import datetime as dt
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import threadpoolctl

LIBRARIES = ("xpnn", "numpy", "array-api-compat", "jax", "torch", "cupy-cuda12x", "cupy-cuda13x")
COLUMNS = "| backend | workload | fit, ms | by hand, ms | ratio |"


def pytest_addoption(parser):
    parser.addoption("--report", metavar="FILE", help="write conditions and ratios as Markdown")


def conditions():
    """Name the processor, the BLAS and its kernels, the threads and the versions."""
    np.ones((2, 2)) @ np.ones((2, 2))  # load the BLAS
    lines = [f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"]
    for pool in threadpoolctl.threadpool_info():
        kernels = pool.get("architecture", "unknown")
        lines.append(
            f"{pool['internal_api']} {pool['version']}, {kernels} kernels, "
            f"{pool['num_threads']} thread(s)"
        )
    if "XLA_FLAGS" in os.environ:
        lines.append(f"XLA_FLAGS={os.environ['XLA_FLAGS']}")
    lines.append(", ".join(f"{name} {found}" for name in LIBRARIES if (found := installed(name))))
    return lines


def processor():
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                avx512 = " (AVX-512)" if "avx512f" in cpuinfo.read_text() else ""
                return line.partition(": ")[2] + avx512
    return platform.processor() or platform.machine()


def installed(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def pytest_report_header():
    return conditions()


def pytest_terminal_summary(terminalreporter, config):
    """Print fit's median time over that of the same training by hand."""
    session = getattr(config, "_benchmarksession", None)
    pairs = [b for b in getattr(session, "benchmarks", ()) if "ratio" in b.extra_info]
    if not pairs:
        return
    rows = [
        f"| {b.extra_info['backend']} | {b.group} | {b.extra_info['fit_median_s'] * 1e3:.2f} "
        f"| {b.extra_info['by_hand_median_s'] * 1e3:.2f} | {b.extra_info['ratio']:.3f} |"
        for b in pairs
    ]
    terminalreporter.section("fit over by hand, medians of interleaved pairs")
    for row in rows:
        terminalreporter.write_line(row)
    if config.getoption("--report"):
        today = dt.datetime.now(tz=dt.UTC).date()
        lines = ["# `xpnn.fit` over the same training by hand", ""]
        lines += [f"{today}. float32. Medians of interleaved pairs, one run.", ""]
        lines += [f"- {line}" for line in conditions()]
        lines += [f"- {len(os.sched_getaffinity(0))} core(s) used"]
        lines += ["", COLUMNS, "| --- | --- | ---: | ---: | ---: |", *rows, ""]
        Path(config.getoption("--report")).write_text("\n".join(lines))
