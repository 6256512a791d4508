"""What fuzzing has found stays mended, and damage met at random brings the library's errors only.

Without atheris: the harnesses in ``tests/fuzz/`` look further.
"""

import random
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("pandas", reason="the readers need xpnn[data]")
pytest.importorskip("PIL", reason="the readers need xpnn[data]")
pytest.importorskip("pyarrow", reason="the readers need xpnn[data]")
pytest.importorskip("h5py", reason="the readers need xpnn[data]")

import xpnn
from tests.fuzz import targets

pytestmark = pytest.mark.slow

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"
FILES = {"h5": 20}  # each starts a process
SECONDS = 60.0  # for one file; HDF5's own limit is 2 s of the processor's time


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: path.name)
def test_what_was_found_stays_mended(path):
    targets.test_one_input(targets.TARGETS[path.parent.name], path.read_bytes())


@pytest.mark.parametrize("name", targets.TARGETS)
def test_damaged_files_raise_errors_of_the_library_only(name):
    files, loaded = FILES.get(name, 400), 0
    for data in damaged(name, files):
        began = time.perf_counter()
        loaded += targets.test_one_input(targets.TARGETS[name], data)
        assert time.perf_counter() - began < SECONDS
    assert files / 20 < loaded < files  # the damage is not all on the surface


def damaged(name, files):
    """Return so many damaged files, the same each time."""
    target = targets.TARGETS[name]
    seeds = target.seeds()
    for number in range(files):
        rng = random.Random(f"{name} {number}")
        change = partial(targets.blind, rng)
        yield targets.mutate(target, rng, rng.choice(seeds), change)


def test_damaged_pictures_where_warnings_are_errors():
    for data in damaged("picture", 200):
        with suppress(xpnn.XpnnError):
            targets.TARGETS["picture"].read(data)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_files_are_whole_before_they_are_damaged(name):
    """Guard the test above against files that nobody could have read."""
    for data in targets.TARGETS[name].seeds():
        assert targets.test_one_input(targets.TARGETS[name], data)
        targets.TARGETS[name].deep(random.Random(0), data, bytes)


def test_a_foreign_exception_is_a_find():
    def read(data):
        raise KeyError(data)

    with pytest.raises(KeyError):
        targets.test_one_input(targets.Target(read, list, None), b"")
