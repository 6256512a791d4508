"""Short forms of the long runs, which ``fuzz_files.py`` and ``soak.py`` make by hand."""

from pathlib import Path

import fuzz_files
import pytest
import soak
from conftest import unusable


def test_the_reader_of_files_raises_its_own_errors_only(tmp_path):
    outcome = fuzz_files.run(2000, seed=20261120, folder=tmp_path)
    assert outcome.wrong == []
    assert sum(outcome.by_type.values()) == 2000
    assert outcome.by_type["FileFormatError"] > 1000
    assert outcome.by_type["loaded"] > 100  # the damage is not all on the surface


def test_every_kind_of_file_is_whole_before_it_is_damaged(tmp_path):
    """Guard the test above against files that nobody could have read."""
    for save, opening in fuzz_files.KINDS.items():
        path = tmp_path / "m.safetensors"
        save(path)
        raw = path.read_bytes()
        opening(path)
        path.write_bytes(fuzz_files.put_together(*fuzz_files.taken_apart(raw)))
        opening(path)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("spec", ["numpy", "torch", "jax"])
def test_fifty_fits_leave_nothing_behind(spec):
    """Each fit has half a MiB of data: if every fifth kept its own, that would be 5 MiB."""
    if unusable(spec):
        pytest.skip(unusable(spec))
    found = soak.soak(50, spec, warm_up=10)
    assert found.after - found.before < soak.GROWTH
