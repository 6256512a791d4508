"""The container: arrays and a record of plain values, in one safetensors file.

`write` makes it, `read` checks it and takes it apart. A safetensors file is 8 bytes, the length
of its header; the header, JSON; and the arrays' bytes. The header's metadata hold two texts.
``"xpnn"`` is the record, sorted JSON::

    {"content": {...}, "format": 1, "kind": "network", "sha256": {"W1": "9f86…", ...}}

``content`` is for the caller, in the JSON of `plain`. ``"xpnn_sha256"`` is the digest of the rest
of the header. Digests find damage; against forgery they do nothing, since whoever changes a
number can change its digest. The same input gives the same bytes. Other programs read the arrays
with safetensors alone.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .._terminal import listed
from .._typing import Array
from ..exceptions import ArgumentError, ArgumentTypeError, FileFormatError, OutOfMemoryError
from ..validation.memory import check_memory, too_large
from .atomic import StrPath, replacing
from .plain import from_json, parse, shown, to_json

FORMAT = 1
RECORD = "xpnn"
DIGEST = "xpnn_sha256"
METADATA = "__metadata__"  # safetensors' own word
BLOCK = 2**20  # numbers that are digested or written at a time
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
OF_SAFETENSORS = {short: name for name, short in DTYPES.items()}

FOREIGN = {
    b"\x80": "a pickle, as pickle.dump and joblib.dump write",
    b"PK": "a zip archive, as torch.save and numpy.savez write",
}
"""Other formats by their first bytes."""

TOO_LARGE = ("expected arrays that", "some", "read it on a machine that has more free.")
"""The words for arrays that do not fit into memory."""

CURES = {
    "checkpoint": "go on from it with checkpoint=xpnn.Checkpoint(path, resume=True).",
    **dict.fromkeys(("estimator", "network", "pipeline"), "read it with xpnn.load."),
}
"""What a file of a kind that was not expected is good for."""


class Declared(NamedTuple):
    """An array as the header declares it, before it is read."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    """Where its bytes begin, counted from the end of the header."""
    stop: int


class Contents(NamedTuple):
    """What a file holds."""

    kind: str
    """What was saved, such as ``"network"``."""
    content: dict[str, Any]
    """Plain values: None, bool, int, float, str, lists and dicts."""
    tensors: dict[str, Any]
    """NumPy arrays, C-contiguous and writable; `Declared` before they are read."""


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
    names = _names(tensors)
    record = {
        "format": FORMAT,
        "kind": kind,
        "sha256": {name: _digest(tensors[name]) for name in names},
        "content": content,
    }
    header = _header_of(to_json(record), names, tensors)
    with replacing(path) as file:
        file.write(len(header).to_bytes(8, "little"))
        file.write(header)
        for name in names:
            for block in _blocks(tensors[name]):
                file.write(block.data)


def read(
    path: StrPath, kinds: tuple[str, ...], check: Callable[[Contents], None] | None = None
) -> Contents:
    """Read a file that `write` made, and believe nothing of it that is not checked.

    Parameters
    ----------
    path : str or path
    kinds : tuple of str
        The kinds that the caller can use.
    check : callable (Contents) -> None, optional
        Called before memory is asked for, with the arrays as they are `Declared`. It raises
        `FileFormatError` if they do not suit the content.

    Raises
    ------
    FileFormatError
        If it is damaged, of another program, of a newer format or of another kind; the message
        names the file and the reason.
    OutOfMemoryError
        If its arrays are larger than the memory of this machine.
    FileNotFoundError, IsADirectoryError, PermissionError
        As `open` does.
    """
    with naming(path), Path(path).open("rb") as file:
        header, size = _header(file)
        record = _record(header, kinds)
        declared = _declared(header, record["sha256"], size)
        _check_digest(header)
        contents = Contents(record["kind"], record["content"], declared)
        if check is not None:
            check(contents)
        return contents._replace(tensors=_tensors(file, declared, record["sha256"]))


def expect(name: str, right: bool) -> None:
    """Raise `ValueError` unless what a file says of ``name`` is right."""
    if not right:
        raise ValueError(f"{name} does not fit")


def has_types(value: Any, types: Mapping[str, type]) -> bool:
    """Whether a value is a JSON object with these keys, whose values have these types."""
    keys_fit = isinstance(value, dict) and value.keys() == types.keys()
    return keys_fit and all(type(value[key]) is kind for key, kind in types.items())


@contextmanager
def naming(path: StrPath) -> Iterator[None]:
    """Put the name of the file before the message of an error about its content."""
    try:
        yield
    except (FileFormatError, OutOfMemoryError) as error:
        raise type(error)(f"{path}: {error}") from error.__cause__


# ---- writing ----------------------------------------------------------------


def _names(tensors: Mapping[str, Any]) -> list[str]:
    """Return the names of the arrays in the file's order; raise for arrays it cannot hold.

    Arrays of 8-byte numbers come first, so that all arrays are aligned.
    """
    for name, a in tensors.items():
        if not isinstance(name, str):
            raise ArgumentTypeError(f"tensors: expected names that are str, found {name!r}.")
        if name == METADATA:
            raise ArgumentError(
                f"tensors: {name!r} has a meaning of its own in safetensors files; rename it."
            )
        is_array = isinstance(a, np.ndarray | np.generic)
        if not is_array or a.dtype.name not in DTYPES:
            found = f"dtype {a.dtype}" if is_array else type(a).__name__
            raise ArgumentTypeError(
                f"tensors[{name!r}]: expected a NumPy array of {', '.join(DTYPES)}, found "
                f"{found}; convert it first, for example with numpy.asarray(x, dtype='float64')."
            )
    return sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))


def _header_of(record: str, names: list[str], tensors: Mapping[str, Array]) -> bytes:
    """Return the header of a file, filled up to a multiple of 8 bytes."""
    header: dict[str, Any] = {METADATA: {RECORD: record}}
    stop = 0
    for name in names:
        a, start = tensors[name], stop
        stop += a.nbytes
        header[name] = {
            "dtype": DTYPES[a.dtype.name],
            "shape": list(a.shape),
            "data_offsets": [start, stop],
        }
    header[METADATA][DIGEST] = _digest_of(header)
    text = to_json(header).encode()
    return text + b" " * (-len(text) % 8)


def _digest_of(header: Mapping[str, Any]) -> str:
    """SHA-256 of a header without its digest, in hexadecimal."""
    metadata = {name: text for name, text in header[METADATA].items() if name != DIGEST}
    return sha256(to_json({**header, METADATA: metadata}).encode()).hexdigest()


def _blocks(a: Array) -> Any:
    """Return an iterator over an array, row by row and little-endian; only a block is copied."""
    return np.nditer(  # type: ignore[call-overload]  # its stubs call "contig" "config"
        [a],
        flags=("external_loop", "buffered", "zerosize_ok"),
        op_flags=[("readonly", "contig")],
        order="C",
        op_dtypes=[a.dtype.newbyteorder("<")],
        casting="equiv",
        buffersize=BLOCK,
    )


def _digest(a: Array) -> str:
    """SHA-256 of the bytes of an array as the file holds them, in hexadecimal."""
    found = sha256()
    for block in _blocks(a):
        found.update(block.data)
    return found.hexdigest()


# ---- reading ----------------------------------------------------------------


def _header(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """Return the header and the number of bytes behind it, where the file stands then."""
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
    return header, whole - 8 - length


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
    if not isinstance(metadata, dict) or not isinstance(text, str):
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
    types = {"format": int, "kind": str, "sha256": dict, "content": dict}
    return (
        has_types(record, types)
        and record["format"] >= 1
        and all(isinstance(digest, str) for digest in record["sha256"].values())
    )


def _declared(header: dict[str, Any], digests: dict[str, str], size: int) -> dict[str, Declared]:
    """Return the arrays that the header declares, if they are those of the record and the file."""
    found = {name: entry for name, entry in header.items() if name != METADATA}
    if found.keys() != digests.keys():
        wanted, there = (listed(names) or "none" for names in (digests, found))
        raise FileFormatError(
            f"damaged: expected the arrays {wanted}, as its record lists them, found {there}."
        )
    declared = {name: _entry(name, entry) for name, entry in sorted(found.items())}
    expected = 0
    for name, a in sorted(declared.items(), key=lambda item: item[1][2:]):
        if a.start != expected or a.stop - a.start != prod(a.shape) * a.dtype.itemsize:
            raise FileFormatError(_unfit(f"{name!r} has bytes {a.start} to {a.stop}"))
        expected = a.stop
    if expected != size:
        raise FileFormatError(_unfit(f"they have {expected} bytes, and the file has {size}"))
    return declared


def _entry(name: str, entry: Any) -> Declared:
    """Return the declaration of one array in the header."""
    dtype = entry.get("dtype") if isinstance(entry, dict) else None
    known = OF_SAFETENSORS.get(dtype) if isinstance(dtype, str) else None
    if known is None:
        raise FileFormatError(
            f"damaged: expected {name!r} to hold {', '.join(OF_SAFETENSORS)}, found {shown(entry)}."
        )
    shape, offsets = entry.get("shape"), entry.get("data_offsets")
    whole = _are_counts(shape) and _are_counts(offsets) and len(shape) <= 32 and len(offsets) == 2
    if not whole or len(entry) != 3:
        raise FileFormatError(_unfit(f"{name!r} is declared as {shown(entry)}"))
    return Declared(np.dtype(known).newbyteorder("<"), tuple(shape), *offsets)


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**63 for n in value)


def _check_digest(header: dict[str, Any]) -> None:
    """Raise unless the digest of the header is right; files of early versions have none."""
    expected = header[METADATA].get(DIGEST)
    if header[METADATA].keys() - {RECORD, DIGEST} or (
        expected is not None and expected != _digest_of(header)
    ):
        raise FileFormatError(
            "damaged: its header is not the one that was saved (its SHA-256 differs). "
            "Use another copy of the file."
        )


def _tensors(
    file: BinaryIO, declared: dict[str, Declared], digests: dict[str, str]
) -> dict[str, Array]:
    """Read the arrays of a file, each as it was written or an error."""
    needed = sum(a.stop - a.start for a in declared.values())
    check_memory(needed, *TOO_LARGE, OutOfMemoryError)
    first = file.tell()
    tensors = {}
    for name, (dtype, shape, start, stop) in declared.items():
        try:
            a: Array = np.empty(shape, dtype)
        except MemoryError as error:
            raise OutOfMemoryError(too_large(needed, *TOO_LARGE)) from error
        except ValueError as error:  # more dimensions, or a longer one, than NumPy has
            raise FileFormatError(_unfit(str(error))) from error
        file.seek(first + start)
        if file.readinto(a.reshape(-1).view(np.uint8).data) != stop - start:  # type: ignore[attr-defined]
            raise FileFormatError(_unfit(f"{name!r} ends too early"))
        if _digest(a) != digests[name]:
            raise FileFormatError(
                f"damaged: the numbers of {name!r} are not those that were saved (their SHA-256 "
                "differs). Use another copy of the file."
            )
        tensors[name] = a.astype(dtype.newbyteorder("="), copy=False)
    return tensors


def _unfit(reason: str) -> str:
    return (
        f"damaged: its header and its arrays do not fit each other ({reason}). Was it copied in "
        "full?"
    )
