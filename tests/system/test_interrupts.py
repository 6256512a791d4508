"""Ctrl-C between two lines of a training, a save or a load leaves nothing wrong.

``python tests/programs/interrupt_every_line.py`` tries every line; here are some.
"""

import threading

import numpy as np
import pytest

from tests.programs.interrupt_every_line import SCENARIOS, interrupt
from xpnn._backends.base import Backend
from xpnn._backends.numpy import NumpyBackend

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def alone():
    """Skip where another test has left a thread: BLAS keeps its threads then."""
    if threading.active_count() > 1:
        pytest.skip("other threads are alive")


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_wrong_afterwards(name):
    scenario = SCENARIOS[name]
    interrupt(scenario, 2**60)  # what is imported the first time is not counted
    lines, problems = interrupt(scenario, 2**60)
    assert problems == []
    for line in np.linspace(1, lines, 8, dtype=int).tolist():
        _, problems = interrupt(scenario, line)
        assert problems == [], f"after line {line} of {lines}"


def test_the_last_lines_of_a_training():
    """There its contexts are left, whose own exits Ctrl-C cuts short."""
    lines, _ = interrupt(SCENARIOS["fit"], 2**60)
    for line in range(lines - 40, lines):
        _, problems = interrupt(SCENARIOS["fit"], line)
        assert problems == [], f"after line {line} of {lines}"


def test_the_tests_see_what_is_left(monkeypatch):
    """Without what a training puts back, some line of its end leaves NumPy's errors unseen."""
    monkeypatch.setattr(NumpyBackend, "restoring_settings", Backend.no_grad)
    lines, _ = interrupt(SCENARIOS["fit"], 2**60)
    with np.errstate():
        found = [interrupt(SCENARIOS["fit"], line)[1] for line in range(lines - 40, lines)]
    assert any("floating-point" in problem for problems in found for problem in problems)
