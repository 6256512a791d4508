"""A module imports from its own floor and those below; ``core`` imports no array library."""

import ast
import re
from pathlib import Path

import pytest

import xpnn

ROOT = Path(xpnn.__file__).parent
# what may import what: a module belongs to the first entry that its path starts with
FLOORS = {
    "_terminal.py": -1,
    "_signals.py": 0,
    "exceptions.py": 0,
    "_typing.py": 0,
    "table.py": 0,
    "_optional.py": 1,
    "rng.py": 1,
    "validation/__init__.py": 1,
    "validation/numbers.py": 1,
    "validation/functions.py": 1,
    "compiler/": 1,
    "graph/": 2,
    "core/": 3,
    "_backends/": 4,
    "validation/": 5,
    "distributed/": 5,
    "network.py": 6,
    "optimizers.py": 4,
    "schedules.py": 4,
    "files/": 7,
    "data/": 7,
    "training/": 8,
    "preprocessing/": 9,
    "estimators/": 9,
    "interop/": 9,
    "plot/": 9,
    "course/": 9,
    "bench/": 10,
    "demos/": 10,
    "check/": 9,
    "cli/": 11,
    "__main__.py": 12,
    "__init__.py": 12,
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
        assert floor(other) <= floor(module), f"{module} imports {dotted}"


def test_no_circles():
    """Take away modules that import none of the others; what is left imports in a circle."""
    left = {m: {own_module(i) for i in imports(m)} - {None, m} for m in MODULES}
    while free := [m for m, others in left.items() if not others & set(left)]:
        left = {m: others for m, others in left.items() if m not in free}
    assert not left


@pytest.mark.parametrize("module", MODULES)
def test_only_backends_name_an_array_library(module):
    roots = {dotted.partition(".")[0] for dotted in imports(module)}
    if not module.startswith(("_backends/", "interop/")):
        assert not roots & LIBRARIES
    if module.startswith("core/"):
        assert not roots & {"numpy", "scipy", "array_api_compat", "array_api_extra"}


OPTION = re.compile(r"(?<![\w-])--[a-z]")
COMMAND = re.compile(r"\b(pip|xpnn) [a-z]+( --[a-z-]+)+")


def options_in(text):
    """Return the options of a command line in a text, but for those of a whole command."""
    return OPTION.findall(COMMAND.sub("", text))


@pytest.mark.parametrize("module", [m for m in MODULES if not m.startswith("cli/")])
def test_messages_name_no_option_of_the_command_line(module):
    """Whoever calls from Python passes arguments; ``cli`` puts its options in their place."""
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert not [text for text in texts if isinstance(text, str) and options_in(text)]


def test_options_are_found():
    assert options_in("drop it (--drop).")
    assert options_in("--impute: expected a table")
    assert not options_in("what xpnn check --json prints, — or - - -- , a--b")


def test_the_reader_of_imports_reads():
    """Guard the tests above against seeing nothing."""
    assert "xpnn.core.propagation" in set(imports("training/objective.py"))
    assert own_module("xpnn.core.propagation") == "core/propagation.py"
    assert "jax" in set(imports("_backends/jax.py"))
    assert len(MODULES) > 20
