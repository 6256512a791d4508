"""A module imports only from floors below its own; ``core`` imports no array library."""

import ast
from pathlib import Path

import pytest

import xpnn

ROOT = Path(xpnn.__file__).parent
# what may import what: a module belongs to the first entry that its path starts with
FLOORS = {
    "_terminal.py": -1,
    "_signals.py": 0,
    "errors.py": 0,
    "_typing.py": 0,
    "_table.py": 0,
    "_optional.py": 1,
    "graph/": 1,
    "core/": 2,
    "backends/": 3,
    "_boundary.py": 4,
    "distributed.py": 4,
    "network.py": 5,
    "optimizers.py": 3,
    "schedules.py": 3,
    "files/": 6,
    "data/": 6,
    "training/": 7,
    "estimators/": 8,
    "plot/": 8,
    "course/": 8,
    "bench/": 9,
    "demos/": 9,
    "check/": 8,
    "cli/": 10,
    "__main__.py": 11,
    "__init__.py": 11,
}
LIBRARIES = {"cupy", "torch", "jax", "array_api_strict"}
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


def floor(module):
    return next(n for prefix, n in FLOORS.items() if module.startswith(prefix))


def imports(module):
    """Yield the absolute dotted name of everything a module imports, wherever it does."""
    package = ("xpnn/" + module).split("/")[:-1]
    for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            dotted = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            yield from (f"{dotted}.{alias.name}" for alias in node.names)


def own_module(dotted):
    """Return the path of the module of ours that a dotted name lies in, or None."""
    parts = dotted.split(".")
    if parts[0] != "xpnn":
        return None
    for n in range(len(parts), 0, -1):
        path = "/".join(parts[1:n])
        for candidate in (f"{path}.py", f"{path}/__init__.py".lstrip("/")):
            if candidate in MODULES:
                return candidate
    raise AssertionError(dotted)


@pytest.mark.parametrize("module", MODULES)
def test_imports_come_from_below(module):
    package = module.rpartition("/")[0]
    for dotted in imports(module):
        other = own_module(dotted)
        if other is None or (package and other.rpartition("/")[0] == package):
            continue
        assert floor(other) < floor(module), f"{module} imports {dotted}"


@pytest.mark.parametrize("module", MODULES)
def test_only_backends_name_an_array_library(module):
    roots = {dotted.partition(".")[0] for dotted in imports(module)}
    if not module.startswith("backends/"):
        assert not roots & LIBRARIES
    if module.startswith("core/"):
        assert not roots & {"numpy", "scipy", "array_api_compat", "array_api_extra"}


def test_the_reader_of_imports_reads():
    """Guard the tests above against seeing nothing."""
    assert "xpnn.core.propagation" in set(imports("training/step.py"))
    assert own_module("xpnn.core.propagation") == "core/propagation.py"
    assert "jax" in set(imports("backends/jax.py"))
    assert len(MODULES) > 20
