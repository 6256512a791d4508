"""IDX files: the format of MNIST and the data sets made after it.

`read_idx` reads one array, `labels_beside` finds the labels that belong to a file of images.
"""

import zlib
from math import prod
from os import PathLike
from pathlib import Path

import numpy as np

from .._typing import Array
from ..exceptions import ArgumentError
from .files import existing_file, open_unpacked, read_rest, translate_errors

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
    with translate_errors(path, "a whole IDX file"), open_unpacked(path) as file:
        start = file.read(4)
        if not _is_start(start):
            raise ArgumentError(
                f"{path}: expected an IDX file, which begins with two zero bytes and the type of "
                f"its numbers, found {start.hex(' ') or 'nothing'}."
            )
        sizes = file.read(4 * start[3])
        if len(sizes) < 4 * start[3]:
            raise EOFError("it ends within its header")
        shape = tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, 4 * start[3], 4))
        dtype = np.dtype(DTYPES[start[2]])
        data = read_rest(path, file, prod(shape) * dtype.itemsize)
        return data.view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def is_idx(path: Path) -> bool:
    """Whether a file begins like an IDX file."""
    try:
        with open_unpacked(path) as file:
            return _is_start(file.read(4))
    except (EOFError, OSError, zlib.error):
        return False


def labels_beside(images: Path) -> Path | None:
    """Return the file of labels that lies beside one of images, by the names MNIST's have."""
    beside = images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))
    return beside if beside != images and beside.is_file() else None


def _is_start(start: bytes) -> bool:
    return len(start) == 4 and start[:2] == b"\0\0" and start[2] in DTYPES and start[3] > 0
