"""What every reader of files does first: files come from strangers, damaged or made to harm.

`translate_errors` turns whatever a library raises on a damaged file into an error that names the
file, and `check_fits` compares what a file declares with the memory of this machine before any is
asked for.
"""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from textwrap import shorten
from typing import Any, BinaryIO, cast

import numpy as np

from .._typing import Array
from ..exceptions import ArgumentError, ArgumentTypeError, XpnnError
from ..validation.memory import check_memory

BLOCK = 2**20  # bytes that are unpacked at once
MOST_UNPACKED = 1032
"""Deflate, the compression of gzip, zip, PNG and HDF5, makes at most so many bytes of one."""


def path_of(path: Any) -> Path:
    """Return a path, or raise if the value is none."""
    if not isinstance(path, str | PathLike):
        raise ArgumentTypeError(f"expected the path of a file or a folder, found {path!r}.")
    return Path(path)


def existing_file(path: str | PathLike[str]) -> Path:
    """Return the path of a file that is there, or raise; a pipe or a device is no file."""
    path = path_of(path)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "a pipe or a device" if path.exists() else "none"
        raise ArgumentError(f"{path}: expected a file, found {found}.")
    return path


def visible(folder: Path) -> list[Path]:
    """Return what a folder holds, by name, without what is hidden."""
    found = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(found, key=lambda path: path.name)


def open_unpacked(path: Path) -> BinaryIO:
    """Open a file, and decompress it if gzip has compressed it."""
    file = path.open("rb")
    if file.read(2) == b"\x1f\x8b":
        file.close()
        return cast(BinaryIO, gzip.open(path))
    file.seek(0)
    return file


def check_fits(name: object, needed: int) -> None:
    """Raise unless the bytes that the data take fit into the memory of this machine."""
    check_memory(
        needed,
        f"{name}: expected data that",
        "sizes",
        "use a part of the data, or a machine with more memory.",
    )


def read_rest(path: Path, file: Any, expected: int) -> Array:
    """Return the rest of a file, or of a file packed in it; its header declares the length."""
    data = np.empty(min(expected, MOST_UNPACKED * path.stat().st_size), np.uint8)
    check_fits(path, data.size)
    found = 0
    while n := file.readinto(data[found : found + BLOCK].data):  # all at once takes twice as much
        found += n
    found += len(file.read(1))
    if found != expected:
        raise ArgumentError(
            f"{path}: expected {expected} bytes of numbers, as its header says, found {found}. "
            "Was it copied in full?"
        )
    return data


@contextmanager
def translate_errors(path: Path, expected: str, cure: str = "") -> Iterator[None]:
    """Turn every exception of the library that reads a file into an `ArgumentError`.

    Ctrl-C is none of them, and neither is an error of ours. A library's own are of any type:
    a decoder that runs into bytes that it does not expect raises what it happens to raise.
    """
    try:
        yield
    except XpnnError:
        raise
    except MemoryError as error:
        raise ArgumentError(
            f"{path}: expected data that fit into the memory at hand, found that it does not "
            "suffice; use a part of them, or a machine with more memory."
        ) from error
    except Exception as error:
        found = shorten(str(error), 300) or type(error).__name__
        raise ArgumentError(f"{path}: expected {expected} ({found}).{cure}") from error
