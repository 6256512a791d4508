"""Says under which conditions the figures were taken, and lists the interleaved ratios."""

import platform

import numpy as np
import threadpoolctl


def pytest_report_header():
    """Name the processor's BLAS kernels and threads, without which no figure means much."""
    np.ones((2, 2)) @ np.ones((2, 2))
    pools = [
        f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')} "
        f"{pool['num_threads']} thread(s)"
        for pool in threadpoolctl.threadpool_info()
    ]
    return f"machine: {platform.machine()}; numpy {np.__version__}; {'; '.join(pools)}"


def pytest_terminal_summary(terminalreporter, config):
    """Print fit's median time over that of the same training by hand."""
    session = getattr(config, "_benchmarksession", None)
    rows = [b for b in getattr(session, "benchmarks", ()) if "ratio" in (b.extra_info or {})]
    if rows:
        terminalreporter.section("fit over by hand, medians of interleaved pairs")
    for b in rows:
        info = b.extra_info
        terminalreporter.write_line(
            f"{info['backend']:6} {b.group:50} {info['fit_median_s'] * 1e3:9.2f} ms "
            f"{info['by_hand_median_s'] * 1e3:9.2f} ms  ratio {info['ratio']:.3f}"
        )
