"""Benchmarks run by hand only; what they ask xpnn for has to be there all the time."""

import ast
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
FILES = sorted(FOLDER.rglob("*.py"))


def missing(text):
    """Return the names that a program asks xpnn and its modules for, and that are not there."""
    nodes, modules, found = list(ast.walk(ast.parse(text))), {}, []
    if any(isinstance(node, ast.Import) and node.names[0].name == "xpnn" for node in nodes):
        modules["xpnn"] = import_module("xpnn")
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "xpnn":
            module = import_module(node.module)
            found += [alias.name for alias in node.names if not hasattr(module, alias.name)]
            values = {alias.name: getattr(module, alias.name, None) for alias in node.names}
            modules |= {k: v for k, v in values.items() if isinstance(v, ModuleType)}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id)
            found += [node.attr] if module and not hasattr(module, node.attr) else []
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_names_are_there(path):
    assert missing(path.read_text(encoding="utf-8")) == []


def test_missing_names_are_found():
    text = "import xpnn\nfrom xpnn import bench, no\nxpnn.never(bench.none, bench.WORKLOADS)\n"
    assert sorted(missing(text)) == ["never", "no", "none"]
