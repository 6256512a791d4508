"""Under which conditions figures are taken."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

CPUINFO = Path("/proc/cpuinfo")
LIBRARIES = (
    "xpnn",
    "numpy",
    "array-api-compat",
    "scikit-learn",
    "numba",
    "jax",
    "torch",
    "cupy-cuda12x",
    "cupy-cuda13x",
)
BLAS = "{internal_api} {version}, {architecture} kernels, {num_threads} thread(s)"
WITH_AVX512 = ("SkylakeX", "Cooperlake", "SapphireRapids")  # kernels of OpenBLAS
PRECISIONS: dict[str, Callable[[Any], object]] = {  # of libraries that have been imported
    "torch": lambda torch: torch.get_float32_matmul_precision(),
    "jax": lambda jax: jax.config.jax_default_matmul_precision or "default",
}
SETTINGS = (
    "OMP_NUM_THREADS",
    "XLA_FLAGS",
    "JAX_PLATFORMS",
    "JAX_DEFAULT_MATMUL_PRECISION",
    "CUPY_TF32",
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)


class Gpu(NamedTuple):
    """What nvidia-smi says of one GPU."""

    name: str
    driver: str
    cuda: str


def conditions() -> list[str]:
    """Name the processor, the BLAS and its kernels, threads, GPUs and versions.

    A line that begins with ``note:`` says what makes this machine slower than it could be.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from xpnn.bench import conditions
    >>> any("numpy" in line for line in conditions())
    True
    """
    pools = blas_pools()
    where = f"{processor()}, {cores_used()} of {os.cpu_count()} core(s) used"
    versions = [f"{name} {found}" for name in LIBRARIES if (found := installed(name))]
    return [
        f"{where}, Python {platform.python_version()}",
        *map(BLAS.format_map, pools),
        *(f"{gpu.name}, driver {gpu.driver}, CUDA {gpu.cuda}" for gpu in gpus()),
        *(f"{name}={os.environ[name]}" for name in SETTINGS if name in os.environ),
        *(
            f"float32 matrix products of {name}: {setting(sys.modules[name])}"
            for name, setting in PRECISIONS.items()
            if name in sys.modules
        ),
        ", ".join(versions),
        *(f"note: {note}" for note in notes(pools)),
    ]


def blas_pools() -> list[dict[str, Any]]:
    """Return what threadpoolctl tells of each BLAS that is loaded, equal ones once."""
    import threadpoolctl  # scikit-learn brings it

    np.ones((2, 2)) @ np.ones((2, 2))  # load the BLAS
    shown = ("internal_api", "version", "architecture", "num_threads")
    pools: list[dict[str, Any]] = []
    for pool in threadpoolctl.threadpool_info():
        short = {key: pool.get(key) or "unknown" for key in shown}
        if pool["user_api"] == "blas" and short not in pools:
            pools.append(short)
    return pools


def notes(pools: list[dict[str, Any]]) -> Iterator[str]:
    """Say what makes this machine slower than it could be."""
    if "OPENBLAS_CORETYPE" in os.environ:
        yield (
            f"OPENBLAS_CORETYPE={os.environ['OPENBLAS_CORETYPE']} chooses OpenBLAS's kernels; "
            "unset it for those of this processor."
        )
    for pool in pools:
        kernels = pool["architecture"]
        if pool["internal_api"] == "openblas" and has_avx512() and kernels not in WITH_AVX512:
            yield (
                f"this processor has AVX-512, but OpenBLAS {pool['version']} runs its {kernels} "
                "kernels, which do not use it: its matrix products could be faster."
            )
    cores = os.cpu_count() or 1
    threads = [pool["num_threads"] for pool in pools]
    if cores > 1 and (cores_used() == 1 or 1 in threads):
        yield f"one thread is used where there are {cores} cores."


def _cpuinfo() -> str:
    """Return what Linux says of the processors, nothing elsewhere."""
    return CPUINFO.read_text(encoding="utf-8") if CPUINFO.exists() else ""


def has_avx512() -> bool:
    """Whether Linux says so of this processor."""
    return "avx512f" in _cpuinfo()


def processor() -> str:
    """Name the processor, and whether it has AVX-512."""
    name = re.search(r"^model name\s*: (.*)", _cpuinfo(), re.MULTILINE)
    shown = name[1] if name else platform.processor() or platform.machine()
    return f"{shown} (AVX-512)" if has_avx512() else shown


def cores_used() -> int:
    """Count the cores on which this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def gpus() -> tuple[Gpu, ...]:
    """Ask nvidia-smi, where there is one, for its GPUs."""
    command = ["nvidia-smi", "-q"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):  # no driver, or none that answers
        return ()
    return parse_gpus(done.stdout)


def parse_gpus(text: str) -> tuple[Gpu, ...]:
    """Read what ``nvidia-smi -q`` prints."""
    found = {
        field: re.findall(rf"^\s*{field}\s*: (.*)$", text, re.MULTILINE)
        for field in ("Driver Version", "CUDA Version", "Product Name")
    }
    driver, cuda = ((found[f"{what} Version"] or ["unknown"])[0] for what in ("Driver", "CUDA"))
    return tuple(Gpu(name.strip(), driver.strip(), cuda.strip()) for name in found["Product Name"])


def installed(name: str) -> str | None:
    """Return the installed version of a library, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
