"""A short form of the failing calls, which ``failing_calls.py`` makes by hand."""

import sys

import pytest

from tests.programs import failing_calls

pytestmark = pytest.mark.slow


def test_no_failing_call_loses_a_file(tmp_path):
    library = failing_calls.compiled(tmp_path) if sys.platform == "linux" else None
    if library is None:
        pytest.skip("needs Linux and a C compiler")
    files = tmp_path / "files"
    files.mkdir()
    found = failing_calls.run(library, str(files), "--step", 11)
    assert {name: each["wrong"] for name, each in found.items() if each["wrong"]} == {}
    assert all(each["raised"] > each["tried"] / 3 for each in found.values())  # they do fail
