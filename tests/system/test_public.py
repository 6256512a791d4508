"""The list of public names is the truth; importing the package is cheap and touches nothing."""

import inspect
import re
import subprocess
import sys

import pytest

import xpnn

# the names that other people's code calls
FIXED = {
    "set_backend",
    "use_backend",
    "get_backend",
    "backends",
    "Network",
    "fit",
    "gradient_check",
    "optimizers",
}
OPTIONAL = {
    "torch",
    "jax",
    "cupy",
    "sklearn",
    "matplotlib",
    "pandas",
    "scipy",
    "tqdm",
    "numba",
    "mpi4py",
}


def run(code, *flags):
    command = [sys.executable, *flags, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True)


# what functions return, and what they raise: importable, and not in the list
RESULTS = {"Audit", "BackendStatus", "GradientCheck", "History", "Report"}
UNLISTED = RESULTS | set(xpnn.exceptions.__all__) - {"XpnnError"}


def test_all_is_the_truth():
    public = {name for name, value in vars(xpnn).items() if not name.startswith("_")}
    modules = {name for name in public if inspect.ismodule(getattr(xpnn, name))}
    listed = {"optimizers", "schedules", "graph", "course", "data", "plot", "distributed"}
    listed |= {"exceptions"}
    lazy = {*xpnn._ESTIMATORS, "course"}
    eager = public - (modules - listed) | ({"backends"} & set(xpnn.__all__))
    assert set(xpnn.__all__) | UNLISTED == (eager - lazy) | lazy
    assert not UNLISTED & set(xpnn.__all__)
    assert set(dir(xpnn)) >= set(xpnn.__all__)
    assert set(xpnn.__all__) >= FIXED
    assert len(xpnn.__all__) == len(set(xpnn.__all__))


@pytest.mark.parametrize("name", [*xpnn.__all__, *sorted(UNLISTED)])
def test_every_public_name_is_documented(name):
    assert inspect.getdoc(getattr(xpnn, name))


def test_the_home_of_exceptions():
    errors = {
        name
        for name, value in vars(xpnn.exceptions).items()
        if inspect.isclass(value) and issubclass(value, BaseException)
    }
    assert errors == set(xpnn.exceptions.__all__)
    for name in errors:
        error = getattr(xpnn, name)
        assert error is getattr(xpnn.exceptions, name)
        assert issubclass(error, xpnn.XpnnError)
        assert error.__module__ == "xpnn.exceptions"


PUBLIC_FUNCTIONS = [
    "set_backend",
    "use_backend",
    "get_backend",
    "backend_of",
    "backends",
    "fit",
    "gradient_check",
    "Network",
    "Network.init",
    "Network.forward",
    "Network.cost",
    "Network.gradients",
    "Network.predict",
    "Network.table",
    "Backend.asarray",
]


@pytest.mark.parametrize("name", PUBLIC_FUNCTIONS)
def test_public_docstrings_have_an_example(name):
    found = xpnn
    for part in name.split("."):
        found = getattr(found, part)
    assert ">>> " in inspect.getdoc(found)


def test_import_loads_nothing_optional():
    loaded = run("import sys, xpnn; print(*{m.partition('.')[0] for m in sys.modules})").stdout
    assert not OPTIONAL & set(loaded.split())


def test_import_is_cheap():
    """Less than twice as long as NumPy's own import, whatever else the machine does."""
    ratios = []
    for _ in range(3):
        trace = run("import numpy, xpnn", "-X", "importtime").stderr
        numpy, ours = (
            int(re.search(rf"^import time: +\d+ \| +(\d+) \| {name}$", trace, re.MULTILINE)[1])
            for name in ("numpy", "xpnn")
        )
        ratios.append(ours / numpy)
    assert min(ratios) < 2.0


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", xpnn.__version__)
