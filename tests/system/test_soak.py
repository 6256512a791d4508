"""The short form of the long run that ``soak.py`` makes by hand."""

from pathlib import Path

import pytest

from tests.programs import soak

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("spec", ["numpy", "torch", "jax"])
def test_fifty_fits_leave_nothing_behind(spec):
    """Each fit has half a MiB of data: if every fifth kept its own, that would be 5 MiB."""
    found = soak.soak(50, spec, warm_up=10)
    assert found.after - found.before < soak.GROWTH
