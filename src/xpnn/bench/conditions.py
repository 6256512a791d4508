"""Under which conditions figures are taken."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

LIBRARIES = (
    "xpnn",
    "numpy",
    "array-api-compat",
    "scikit-learn",
    "jax",
    "torch",
    "cupy-cuda12x",
    "cupy-cuda13x",
)


def conditions() -> list[str]:
    """Name the processor, the BLAS and its kernels, the threads and the versions."""
    import threadpoolctl  # scikit-learn brings it

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


def processor() -> str:
    """Name the processor, and whether it has AVX-512."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        text = cpuinfo.read_text()
        for line in text.splitlines():
            if line.startswith("model name"):
                avx512 = " (AVX-512)" if "avx512f" in text else ""
                return line.partition(": ")[2] + avx512
    return platform.processor() or platform.machine()


def installed(name: str) -> str | None:
    """Return the installed version of a library, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
