"""What the harnesses ``fuzz_*.py`` share: atheris, and finds kept under the line that raised.

With the environment variable ``XPNN_FINDS``, the name of a folder, a find is written there, once
for each line of code that raises, and the fuzzing goes on. Without it the first one ends it, as
OSS-Fuzz has it.
"""

import os
import random
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import atheris

PARTS = ["xpnn", "PIL", "pyarrow.pandas_compat"]
"""Whose branches tell atheris which inputs are new."""

with atheris.instrument_imports(include=PARTS):
    import targets

FINDS = os.environ.get("XPNN_FINDS")


def fuzz(name: str, test_one_input: Callable[[bytes], None]) -> None:
    """Fuzz until libFuzzer's options say that it is enough."""
    target = targets.TARGETS[name]
    with atheris.instrument_imports(include=PARTS):
        for seed in target.seeds():
            test_one_input(seed)  # which imports what is imported late

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        def change(part: bytes) -> bytes:
            return bytes(atheris.Mutate(part, max(max_size, len(part))))

        return targets.mutate(target, random.Random(seed), data, change)[:max_size]

    atheris.Setup(sys.argv, test_one_input, custom_mutator=mutate)
    atheris.Fuzz()


def one_input(name: str, data: bytes) -> None:
    """Read bytes; keep or raise what is a find."""
    try:
        targets.test_one_input(targets.TARGETS[name], data)
    except Exception as error:
        if FINDS is None:
            raise
        keep(Path(FINDS), name, data, error)


def keep(folder: Path, name: str, data: bytes, error: Exception) -> None:
    last = traceback.extract_tb(error.__traceback__)[-1]
    stem = f"{name}-{type(error).__name__}-{Path(last.filename).stem}-{last.lineno}"
    path = folder / stem
    if not path.exists():
        path.write_bytes(data)
        told = "".join(traceback.format_exception(error))
        path.with_suffix(".txt").write_text(told, encoding="utf-8")
