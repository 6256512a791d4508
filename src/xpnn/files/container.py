"""The container: arrays and a record of plain values, in one safetensors file.

`write` makes it, `read` checks it and takes it apart. Its header holds, under the metadata
key ``"xpnn"``, sorted JSON::

    {"content": {...}, "format": 1, "kind": "network", "sha256": {"W1": "9f86…", ...}}

``content`` is for the caller, in the JSON of `plain`. The same input gives the same bytes. Other
programs read the arrays with safetensors alone.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .._typing import Array
from ..errors import ArgumentError, ArgumentTypeError, FileFormatError
from .atomic import StrPath, write_atomically
from .plain import from_json, parse, shown, to_json

FORMAT = 1
RECORD = "xpnn"
METADATA = "__metadata__"  # safetensors' own word
LARGEST_HEADER = 100_000_000  # safetensors' own limit
DTYPES = {
    "float32": "F32",
    "float64": "F64",
    "int64": "I64",
    "int32": "I32",
    "uint8": "U8",
    "bool": "BOOL",
}
"""What an array may hold, and what safetensors calls it."""

FOREIGN = {
    b"\x80": "a pickle, as pickle.dump and joblib.dump write",
    b"PK": "a zip archive, as torch.save and numpy.savez write",
}
"""Other formats by their first bytes."""


CURES = {
    "checkpoint": "go on from it with checkpoint=xpnn.Checkpoint(path, resume=True).",
    "estimator": "read it with xpnn.load.",
    "network": "read it with xpnn.load.",
    "pipeline": "read it with xpnn.load.",
}
"""What a file of a kind that was not expected is good for."""


class Contents(NamedTuple):
    """What a file holds."""

    kind: str
    """What was saved, such as ``"network"``."""
    content: dict[str, Any]
    """Plain values: None, bool, int, float, str, lists and dicts."""
    tensors: dict[str, Array]
    """NumPy arrays, C-contiguous and writable."""


def write(
    path: StrPath, kind: str, content: Mapping[str, Any], tensors: Mapping[str, Array]
) -> None:
    """Write arrays and plain values to a file, atomically.

    Parameters
    ----------
    path : str or path
    kind : str
        What it is; `read` is told which kinds are welcome.
    content : dict
        None, bool, int, float (also NaN and infinite), str, NumPy scalars, and lists, tuples and
        dicts of these. Tuples are read back as lists, NumPy scalars as Python's numbers.
    tensors : dict of str to NumPy array
        float32, float64, int64, int32, uint8 or bool, of any layout and byte order.

    Raises
    ------
    ArgumentTypeError
        For anything else in ``content`` or ``tensors``; the message says where.
    """
    from safetensors.numpy import save

    # safetensors 0.8 writes wrong numbers for arrays of other layouts
    arrays = {name: _contiguous(name, tensors[name]) for name in _sorted_names(tensors)}
    record = {
        "format": FORMAT,
        "kind": kind,
        "sha256": {name: _digest(a) for name, a in arrays.items()},
        "content": content,
    }
    write_atomically(path, save(arrays, metadata={RECORD: to_json(record)}))


def read(path: StrPath, kinds: tuple[str, ...]) -> Contents:
    """Read a file that `write` made, and believe nothing of it that is not checked.

    Parameters
    ----------
    path : str or path
    kinds : tuple of str
        The kinds that the caller can use.

    Raises
    ------
    FileFormatError
        If it is damaged, of another program, of a newer format or of another kind; the message
        names the file and the reason.
    FileNotFoundError, IsADirectoryError, PermissionError
        As `open` does.
    """
    with naming(path), Path(path).open("rb") as file:
        header = _header(file)
        record = _record(header, kinds)
        _check_entries(header, record["sha256"])
        file.seek(0)
        return Contents(record["kind"], record["content"], _tensors(file.read(), record["sha256"]))


def expect(name: str, right: bool) -> None:
    """Raise `ValueError` unless what a file says of ``name`` is right."""
    if not right:
        raise ValueError(f"{name} does not fit")


@contextmanager
def naming(path: StrPath) -> Iterator[None]:
    """Put the name of the file before the message of a `FileFormatError`."""
    try:
        yield
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error.__cause__


# ---- writing ----------------------------------------------------------------


def _sorted_names(tensors: Mapping[str, Array]) -> list[str]:
    for name in tensors:
        if not isinstance(name, str):
            raise ArgumentTypeError(f"tensors: expected names that are str, found {name!r}.")
        if name == METADATA:
            raise ArgumentError(
                f"tensors: {name!r} has a meaning of its own in safetensors files; rename it."
            )
    return sorted(tensors)


def _contiguous(name: str, a: Any) -> Array:
    """Return a NumPy array row by row in memory, little-endian, its shape as it was."""
    is_array = isinstance(a, np.ndarray | np.generic)
    if not is_array or a.dtype.name not in DTYPES:
        found = f"dtype {a.dtype}" if is_array else type(a).__name__
        raise ArgumentTypeError(
            f"tensors[{name!r}]: expected a NumPy array of {', '.join(DTYPES)}, found {found}; "
            "convert it first, for example with numpy.asarray(x, dtype='float64')."
        )
    return np.asarray(a, dtype=a.dtype.newbyteorder("<"), order="C")


def _digest(a: Array) -> str:
    """SHA-256 of the bytes of an array as the file holds them, in hexadecimal."""
    return sha256(a.astype(a.dtype.newbyteorder("<"), copy=False).tobytes()).hexdigest()


# ---- reading ----------------------------------------------------------------


def _header(file: BinaryIO) -> dict[str, Any]:
    """Read what stands before the arrays: 8 bytes, little-endian, its length; then JSON."""
    start = file.read(8)
    length = int.from_bytes(start, "little")
    whole = file.seek(0, 2)
    if len(start) < 8 or length > min(whole - 8, LARGEST_HEADER):
        raise FileFormatError(_not_safetensors(start, length, whole))
    file.seek(8)
    header = parse(file.read(length), "its header")
    if not isinstance(header, dict):
        raise FileFormatError(
            f"damaged: expected its header to be a JSON object, found {shown(header)}."
        )
    return header


def _not_safetensors(start: bytes, length: int, whole: int) -> str:
    """Say what a file is whose first 8 bytes cannot be the length of a header."""
    # Only here: these bytes may also begin a right length.
    for magic, name in FOREIGN.items():
        if start.startswith(magic):
            return (
                f"expected a model file of xpnn, found {name}; it was not opened, since a pickle "
                "may run any code. If you trust it, load it with what wrote it, and save the model "
                "again with xpnn."
            )
    if len(start) < 8:
        return (
            f"expected a model file of xpnn, found one of length {whole}, too short for any. "
            "Was it copied in full?"
        )
    if length > LARGEST_HEADER:
        return (
            "expected a model file of xpnn, found another format: its first 8 bytes, the length "
            f"of the header, say {length}, and at most {LARGEST_HEADER} are allowed."
        )
    return (
        f"cut short: its header alone should have {length} bytes, and the whole file has {whole}. "
        "Was it copied in full?"
    )


def _record(header: dict[str, Any], kinds: tuple[str, ...]) -> dict[str, Any]:
    """Return our part of the header: format, kind, sha256 and content."""
    metadata = header.get(METADATA)
    text = metadata.get(RECORD) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise FileFormatError(
            f"expected a model file of xpnn, found a safetensors file without its metadata key "
            f"{RECORD!r}: another program wrote it. Read its arrays with "
            "safetensors.numpy.load_file."
        )
    record = from_json(text, f"its metadata {RECORD!r}")
    format = record.get("format") if isinstance(record, dict) else None  # noqa: A001
    if type(format) is int and format > FORMAT:
        raise FileFormatError(
            f"written by a newer version of xpnn: its format is {format}, and this version reads "
            f"up to {FORMAT}. Upgrade xpnn: pip install --upgrade xpnn."
        )
    if not _is_record(record):
        raise FileFormatError(
            f"damaged: expected format, kind, sha256 and content in its metadata {RECORD!r}, found "
            f"{shown(record)}."
        )
    if record["kind"] not in kinds:
        wanted = " or ".join(map(repr, kinds))
        raise FileFormatError(
            f"expected a file of kind {wanted}, found kind {record['kind']!r}; "
            f"{CURES.get(record['kind'], 'another version of xpnn may know it.')}"
        )
    return dict(record)


def _is_record(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and record.keys() == {"format", "kind", "sha256", "content"}
        and type(record["format"]) is int
        and record["format"] >= 1
        and isinstance(record["kind"], str)
        and isinstance(record["content"], dict)
        and isinstance(record["sha256"], dict)
        and all(isinstance(digest, str) for digest in record["sha256"].values())
    )


def _check_entries(header: dict[str, Any], digests: dict[str, str]) -> None:
    """Raise unless the header describes the arrays of the record, of dtypes that we write."""
    found = {name: entry for name, entry in header.items() if name != METADATA}
    if found.keys() != digests.keys():
        raise FileFormatError(
            f"damaged: expected the arrays {_listed(digests)}, as its record lists them, found "
            f"{_listed(found)}."
        )
    for name, entry in found.items():
        dtype = entry.get("dtype") if isinstance(entry, dict) else entry
        if dtype not in DTYPES.values():
            raise FileFormatError(
                f"damaged: expected {name!r} to hold {', '.join(DTYPES.values())}, found "
                f"{shown(dtype)}."
            )


def _tensors(data: bytes, digests: dict[str, str]) -> dict[str, Array]:
    """Return the arrays of a file, each as it was written or an error."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors: dict[str, Array] = load(data)
    except (SafetensorError, ValueError, TypeError, OverflowError) as error:
        raise FileFormatError(
            f"damaged: its header and its arrays do not fit each other ({error}). "
            "Was it copied in full?"
        ) from error
    for name, a in tensors.items():
        if _digest(a) != digests[name]:
            raise FileFormatError(
                f"damaged: the numbers of {name!r} are not those that were saved (their SHA-256 "
                "differs). Use another copy of the file."
            )
    return {name: tensors[name] for name in sorted(tensors)}


def _listed(names: Mapping[str, Any]) -> str:
    return shown(", ".join(names)) if names else "none"
