"""IDX files: the format of MNIST and the data sets made after it.

`read_idx` reads one array, `labels_beside` finds the labels that belong to a file of images.
"""

import gzip
import zlib
from math import prod
from os import PathLike
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from .._typing import Array
from ..errors import ArgumentError
from .images import existing_file

DTYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
"""What an array holds, by the third byte of its file."""


def read_idx(path: str | PathLike[str]) -> Array:
    """Read an array from an IDX file, such as MNIST's ``train-images-idx3-ubyte.gz``.

    The file has two zero bytes, one byte for the type of the numbers, one for the number d of
    dimensions, d sizes of four bytes, and then the numbers in C order, all big-endian
    (Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits", 1998).

    Parameters
    ----------
    path : str or path
        Compressed by gzip, or not.

    Returns
    -------
    NumPy array
        uint8, int8, int16, int32, float32 or float64, of this machine's byte order.

    Raises
    ------
    ArgumentError
        If there is no such file, or it is none of that format, or not whole.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from xpnn.data import read_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels-idx1-ubyte")
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    path = existing_file(path)
    try:
        with _open(path) as file:
            start, rest = file.read(4), file.read()
    except (EOFError, OSError, zlib.error) as error:
        raise ArgumentError(f"{path}: expected a whole IDX file ({error}).") from error
    if not _is_start(start):
        raise ArgumentError(
            f"{path}: expected an IDX file, which begins with two zero bytes and the type of its "
            f"numbers, found {start.hex(' ') or 'nothing'}."
        )
    d = start[3]
    sizes = [int.from_bytes(rest[4 * i : 4 * i + 4], "big") for i in range(d)]
    data = rest[4 * d :]
    dtype = np.dtype(DTYPES[start[2]])
    expected = prod(sizes) * dtype.itemsize
    if len(rest) < 4 * d or len(data) != expected:
        raise ArgumentError(
            f"{path}: expected {expected} bytes of numbers, as its header says, found {len(data)}. "
            "Was it copied in full?"
        )
    return np.frombuffer(data, dtype).reshape(sizes).astype(dtype.newbyteorder("="))


def is_idx(path: Path) -> bool:
    """Whether a file begins like an IDX file."""
    try:
        with _open(path) as file:
            return _is_start(file.read(4))
    except (EOFError, OSError, zlib.error):
        return False


def labels_beside(images: Path) -> Path | None:
    """Return the file of labels that lies beside one of images, by the names MNIST's have."""
    beside = images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))
    return beside if beside != images and beside.is_file() else None


def _is_start(start: bytes) -> bool:
    return len(start) == 4 and start[:2] == b"\0\0" and start[2] in DTYPES and start[3] > 0


def _open(path: Path) -> BinaryIO:
    file = path.open("rb")
    if file.read(2) == b"\x1f\x8b":
        file.close()
        return cast(BinaryIO, gzip.open(path))
    file.seek(0)
    return file
