"""A test file names the module it tests; a theme of several modules is in tests/system."""

from pathlib import Path

import pytest

import xpnn

TESTS, SOURCE = Path(__file__).parents[1], Path(xpnn.__file__).parent
FILES = sorted(path.relative_to(TESTS) for path in TESTS.glob("*/test_*.py"))


def names(path):
    """Return the room and the module of a file, a package being the module of its own name."""
    room = path.parent.name.lstrip("_")
    return room, room if path.stem == "__init__" else path.stem.lstrip("_")


MODULES = {names(path) for path in SOURCE.glob("*/*.py")}


@pytest.mark.parametrize("path", [path for path in FILES if path.parts[0] != "system"], ids=str)
def test_a_test_file_names_its_module(path):
    assert (path.parent.name, path.stem.removeprefix("test_")) in MODULES


def test_the_reader_of_names_reads():
    """Guard the test above against seeing nothing, or everything."""
    assert {("core", "losses"), ("course", "training"), ("backends", "backends")} <= MODULES
    assert ("core", "properties") not in MODULES
    assert len(FILES) > 40
