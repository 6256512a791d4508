"""What fuzzing has found stays mended, and damage met at random brings the library's errors only.

Without atheris: the harnesses in ``fuzz/`` look further.
"""

import random
from pathlib import Path

import pytest

pytest.importorskip("pandas", reason="the readers need xpnn[data]")
pytest.importorskip("PIL", reason="the readers need xpnn[data]")
pytest.importorskip("pyarrow", reason="the readers need xpnn[data]")

from fuzz import targets

CORPUS = Path(__file__).parent / "fuzz" / "corpus"


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: path.name)
def test_what_was_found_stays_mended(path):
    targets.test_one_input(targets.TARGETS[path.parent.name], path.read_bytes())


@pytest.mark.parametrize("name", targets.TARGETS)
def test_damaged_files_raise_errors_of_the_library_only(name):
    target, loaded = targets.TARGETS[name], 0
    seeds = target.seeds()
    for number in range(400):
        rng = random.Random(f"{name} {number}")
        data = targets.mutate(
            target, rng, rng.choice(seeds), lambda part, rng=rng: targets.blind(rng, part)
        )
        loaded += targets.test_one_input(target, data)
    assert loaded > 20  # the damage is not all on the surface


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
