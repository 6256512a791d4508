"""The README's examples run, and its commands are the ones that CI runs."""

import doctest
import re
from pathlib import Path

import pytest

from xpnn.cli import main

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.slow
def test_examples():
    pytest.importorskip("jax", reason="the README shows a change of backend with JAX")
    pytest.importorskip("mpi4py", reason="the README shows training on several processes")
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, tried = doctest.testfile(str(README), module_relative=False, optionflags=flags)
    assert failed == 0
    assert tried >= 15


def test_the_transcript_is_what_the_command_prints(capsys, tmp_path, monkeypatch):
    """Up to the epochs; then the same words, with the figures of this machine."""
    transcript = re.search(r"^```text\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    main(["train", "digits"])
    printed = capsys.readouterr().out
    before, _, _ = printed.partition("epoch 1 ")
    assert transcript.partition("epoch 1 ")[0] == before
    words = re.compile(r"[a-z]+")
    assert set(words.findall(transcript)) == set(words.findall(printed))


def test_every_python_block_is_an_example():
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    assert all(block.startswith(">>> ") for block in blocks)
