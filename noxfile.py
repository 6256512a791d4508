#!/usr/bin/env -S python -m nox -f
# /// script
# dependencies = ["nox>=2025.5.1"]
# ///
"""Everything that is checked about xpnn. `nox -l` lists the sessions, `nox` runs the default ones.

What follows `--` goes to the tool: `nox -s tests -- -k sigmoid`.
"""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "virtualenv"

PYPROJECT = nox.project.load_toml("pyproject.toml")
CUDA = os.environ.get("XPNN_CUDA", "12")  # which CuPy wheel `tests-cupy` takes: 12 or 13
WITHOUT_GPU = ("numpy", "array_api_strict", "torch", "jax")

IN_THREADS = (  # what `tests-parallel` runs: what trains, saves and differentiates
    "backends/test_base.py",
    "backends/test_selection.py",
    "backends/test_threads.py",
    "core",
    "estimators/test_persistence.py",
    "files/test_files.py",
    "graph",
    "system/test_free_threading.py",
    "system/test_own_functions.py",
    "system/test_properties.py",
    "training/test_fit.py",
)


def install(session: nox.Session, *requirements: str, groups: tuple[str, ...] = ()) -> None:
    """Install requirements and dependency groups, never a version outside constraints.txt."""
    in_groups = nox.project.dependency_groups(PYPROJECT, *groups)
    session.install("-c", "constraints.txt", *requirements, *in_groups)


def run_tests(session: nox.Session, backend: str, *options: str, package: str = ".") -> None:
    """Run the tests of one backend, which fail where it or its device is absent."""
    install(session, package, groups=("test",))
    required = ("--backend", backend, "--require-backend", backend)
    session.run("pytest", "--numprocesses=auto", *required, *options, *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the whole test suite; every backend for CPUs, and MPI, must be there."""
    install(session, ".[jax,torch,plot,data,onnx,fast,mpi]", groups=("test",))
    required = [f"--require-backend={name}" for name in WITHOUT_GPU]
    options = ("--whole", "--numprocesses=auto", "--require-mpi", *required)
    session.run("pytest", *options, *session.posargs)


@nox.session(name="tests-numpy")
def tests_numpy(session: nox.Session) -> None:
    """Run the tests on NumPy, where nothing else is installed that xpnn can do without."""
    run_tests(session, "numpy", "--whole")


@nox.session(name="tests-array_api_strict", default=False)
def tests_array_api_strict(session: nox.Session) -> None:
    """Run the tests on array-api-strict, which must be there."""
    run_tests(session, "array_api_strict", "--whole")


@nox.session(name="tests-jax", default=False)
def tests_jax(session: nox.Session) -> None:
    """Run the tests on JAX, which must be there."""
    run_tests(session, "jax", "--whole", package=".[jax]")


@nox.session(name="tests-torch", default=False)
def tests_torch(session: nox.Session) -> None:
    """Run the tests on PyTorch, which must be there, at the version of constraints.txt."""
    run_tests(session, "torch", "--whole", package=".[torch]")


@nox.session(name="tests-parallel")
def tests_parallel(session: nox.Session) -> None:
    """Run the tests of training, saving and graphs, each in 8 threads at once."""
    install(session, ".", groups=("parallel",))
    tests = [f"tests/{name}" for name in IN_THREADS]
    backends = ("--backend=numpy", "--backend=array_api_strict:CPU_DEVICE")
    options = ("--whole", "--parallel-threads=8", *backends)
    session.run("pytest", *options, *tests, *session.posargs)


@nox.session(name="tests-cupy", default=False)
def tests_cupy(session: nox.Session) -> None:
    """Run the tests on CuPy; it and an NVIDIA GPU must be there (XPNN_CUDA=13 for CUDA 13)."""
    # To test a CuPy that is installed already: nox --no-venv --no-install -s tests-cupy
    run_tests(session, "cupy", "--whole", package=f".[cuda{CUDA}]")


@nox.session(name="tests-cupy-no-gpu")
def tests_cupy_no_gpu(session: nox.Session) -> None:
    """Run what a CuPy without a GPU can tell: why it is refused, and what kernels it would make."""
    install(session, ".", "cupy-cuda12x>=14", groups=("test",))  # without CUDA's libraries
    tests = (
        "tests/backends/test_cupy.py",
        "tests/backends/test_cupy_fused.py",
        "tests/backends/test_selection.py",
        "tests/backends/test_status.py",
        "tests/system/test_cupy_tracing.py",
        "tests/system/test_sklearn_checks.py",
    )
    session.run("pytest", "--whole", *tests, *session.posargs)


@nox.session(name="tests-mpi", default=False)
def tests_mpi(session: nox.Session) -> None:
    """Run the tests of training on several processes; MPI must be there."""
    install(session, ".[mpi,jax,torch,data]", groups=("test",))
    tests = ("tests/distributed", "tests/system/test_cli_ranks.py")
    required = ("--require-mpi", "--require-backend=jax", "--require-backend=torch")
    session.run("pytest", "--whole", *required, *tests, *session.posargs)


@nox.session(python="3.11")
def oldest(session: nox.Session) -> None:
    """Run the tests on the oldest supported core dependencies."""
    floors = [d.replace(">=", "==") for d in PYPROJECT["project"]["dependencies"]]
    install(session, ".", *floors, groups=("test",))
    options = ("--whole", "--numprocesses=auto", "--backend=numpy", "--require-backend=numpy")
    session.run("pytest", *options, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff, and the workflows with zizmor."""
    install(session, groups=("lint",))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("zizmor", "--offline", "--strict-collection", ".github")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy, strictly."""
    install(session, ".", groups=("types",))
    session.run("mypy", *session.posargs)


@nox.session
def doctest(session: nox.Session) -> None:
    """Run the examples in the docstrings, in the README and in docs/."""
    install(session, ".[jax,plot,data,onnx,mpi]", groups=("test",))
    session.run("pytest", "--doctest-modules", "--doctest-glob=README.md", "src", "README.md")
    session.run("pytest", "--whole", "tests/system/test_docs.py")


@nox.session(default=False)
def benchmarks(session: nox.Session) -> None:
    """Time training against the same work by hand, in PyTorch and in scikit-learn."""
    install(session, ".[jax,torch,plot,fast]", groups=("test",))
    session.run("pytest", "benchmarks", "--benchmark-only", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    install(session, ".", groups=("docs",))
    for made in ("docs/_build", "docs/generated"):
        shutil.rmtree(made, ignore_errors=True)
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")


@nox.session
def build(session: nox.Session) -> None:
    """Build the sdist and the wheel into dist/, check both, and build them again from the sdist."""
    session.install("--require-hashes", "-r", "requirements/release.txt")
    shutil.rmtree("dist", ignore_errors=True)
    build_into(session, ".", "dist")
    session.run("twine", "check", "--strict", *map(str, Path("dist").iterdir()))
    with TemporaryDirectory() as folder:
        (sdist,) = Path("dist").glob("*.tar.gz")
        shutil.unpack_archive(sdist, folder, filter="data")
        build_into(session, f"{folder}/{sdist.name.removesuffix('.tar.gz')}", f"{folder}/again")
        for path in Path("dist").iterdir():
            if path.read_bytes() != Path(folder, "again", path.name).read_bytes():
                session.error(f"{path.name} is not the same when it is built again.")


def build_into(session: nox.Session, source: str, target: str) -> None:
    """Build with the tools of this environment, all times being hatchling's own."""
    env = {"SOURCE_DATE_EPOCH": None}
    session.run("python", "-m", "build", "--no-isolation", "--outdir", target, source, env=env)


@nox.session(requires=["build"])
def sbom(session: nox.Session) -> None:
    """Run the wheel of dist/ by itself, and list what it runs on in sbom.json (CycloneDX).

    After `--`: an extra, such as `data`.
    """
    session.install("cyclonedx-bom[json-validation]")
    (wheel,) = Path("dist").resolve().glob("*.whl")
    clean = Path(session.create_tmp(), "clean").resolve()
    session.run("python", "-m", "venv", "--clear", "--without-pip", str(clean))
    python = str(clean / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    extras = f"[{','.join(session.posargs)}]" if session.posargs else ""
    session.run("python", "-m", "pip", "--python", python, "install", "--quiet", f"{wheel}{extras}")
    with session.chdir(clean):
        session.run(python, "-m", "xpnn", "backends", external=True)
    options = ("--pyproject", "pyproject.toml", "--output-reproducible", "--validate")
    session.run("cyclonedx-py", "environment", *options, "--output-file", "sbom.json", python)


@nox.session(default=False)
def audit(session: nox.Session) -> None:
    """Look up known vulnerabilities of all dependencies; needs PyPI's JSON API or, after `--`, OSV.

    What cannot be looked up is a failure too: without a network there is no audit.
    """
    session.install("pip-audit", ".[data,fast,jax,onnx,plot]")
    frozen = session.run("python", "-m", "pip", "freeze", "--exclude", "xpnn", silent=True)
    listed = Path(session.create_tmp(), "frozen.txt")
    listed.write_text(str(frozen), encoding="utf-8")
    options = ("--strict", "--disable-pip", "--no-deps", *session.posargs)
    for file in (str(listed), "requirements/release.txt"):
        session.run("pip-audit", *options, "--requirement", file)


@nox.session(python="3.13", default=False)
def fuzz(session: nox.Session) -> None:
    """Fuzz the readers of files with atheris, a minute each (`-- --seconds 720`)."""
    install(session, ".[data]", "atheris>=3")
    session.run("python", "tests/fuzz/run.py", *session.posargs)


if __name__ == "__main__":
    nox.main()
