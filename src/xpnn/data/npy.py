"""NumPy's own files: `read_npz` reads X and y from a .npz, `read_npy` one array from a .npy."""

from math import prod
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from .._terminal import listed
from .._typing import Array
from ..exceptions import ArgumentError
from .files import read_rest, translate_errors

NPY, NPZ = b"\x93NUM", b"PK\x03\x04"
"""How files of numpy.save and numpy.savez begin."""
NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
WHOLE = "whole arrays of numbers"


def read_npz(path: Path) -> tuple[Array, Array | None]:
    """Return the arrays X and y of a .npz; y is None if there is none."""
    _check_start(path, NPZ)
    with translate_errors(path, WHOLE), ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        X, y = (_named(path, archive, members, name) for name in "xy")
    return X, y


def read_npy(path: Path) -> Array:
    """Return an array of a file of NumPy: mapped, not read."""
    _check_start(path, NPY)
    with translate_errors(path, WHOLE):
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        if found.dtype.kind == "U":
            found.tolist()  # what are no characters would be found when they are looked at
        return found


def _named(path: Path, archive: ZipFile, members: dict[str, ZipInfo], name: str) -> Any:
    """Return the array of a file that is called like x, X or x_train."""
    found = [key for key in members if key.lower() in {name, f"{name}_train"}]
    if len(found) > 1:
        found = [key for key in found if key.lower() == name]
    if found:
        return _member(path, archive, members[found[0]])
    if name == "y":
        return None
    raise ArgumentError(
        f"{path}: expected arrays named X and y, found {listed(members) or 'none'}."
    )


def _member(path: Path, archive: ZipFile, info: ZipInfo) -> Array:
    """Return an array of an archive; memory is asked for when all its headers agree."""
    if info.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        raise ArgumentError(
            f"{path}: expected arrays as numpy.savez and savez_compressed write them, found "
            f"{info.filename} compressed by other means."
        )
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        shape, by_columns, dtype = NPY_HEADERS[version](file)
        if dtype.hasobject:
            raise ArgumentError(f"{path}: expected numbers, found Python objects.")
        data = read_rest(path, file, prod(shape) * dtype.itemsize).view(dtype)
    return data.reshape(shape[::-1]).T if by_columns else data.reshape(shape)


def _check_start(path: Path, wanted: bytes) -> None:
    """Raise unless a file begins as NumPy's files of one array, or of several, do."""
    with path.open("rb") as file:
        start = file.read(4)
    if start == wanted:
        return
    if start == NPY:
        raise ArgumentError(f"{path}: expected several arrays, X and y, found one; call it .npy.")
    if start == NPZ:
        raise ArgumentError(f"{path}: expected one array, found several; call it .npz.")
    raise ArgumentError(
        f"{path}: expected arrays that numpy.save or numpy.savez wrote, found another format."
    )
