"""Read one HDF5 file for `hdf5.read_h5`, in a process of its own that has limits.

It is run as a file and imports nothing of xpnn. Standard output gets the number of bytes that
reading takes, and then three arrays as numpy.save writes them: images, labels, and the names of the
classes as JSON. Standard error gets what is wrong; the status is REFUSED if it is the layout.
"""

import faulthandler
import json
import os
import signal
import sys
from math import prod
from typing import Any

if sys.platform != "win32":
    import resource

REFUSED = 3
SECONDS = 2
"""Of the processor's time, for whatever is not the data."""
BYTES_A_SECOND = 20_000_000  # a fifth of what gzip unpacks on a slow processor
SLAB = 2**26  # bytes that are read at once
SPARE = 2**30  # bytes of memory for whatever is not the data
FREE = 2**20  # bytes that a file may declare without having stored them
NAMES = 2**24  # bytes that the names of the classes may take
LETTERS = 255  # of one of them, as of a folder's
FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 32000: "lzf"}
"""What may have been done to the data: filters that are part of the library or of h5py."""
MOST_UNPACKED = 1032  # deflate makes at most so many bytes of one


class RefusedError(Exception):
    """The file is not of the layout, or not to be trusted."""


def main() -> int:
    """Read the file that the arguments name; return the exit status."""
    path, sys.path[:] = json.loads(sys.argv[1])
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a loop in C as well
    import h5py
    import numpy as np

    now = memory()
    limit(0, now)
    out = sys.stdout.buffer
    try:
        with h5py.File(path, "r") as file:
            lower("RLIMIT_NOFILE", 0)  # whatever the file names, no other is opened
            x, y = parts(list(file))
            images, labels, names = (checked(file, name) for name in (x, y, "list_classes"))
            sizes = [size(data_set) + slab_size(data_set) for data_set in (images, labels)]
            out.write(b"%d\n" % sum(sizes))
            out.flush()
            for data_set in (images, labels):
                limit(size(data_set), now + 3 * slab_size(data_set))
                send(data_set, out, np)
            classes = json.dumps(class_names(names)).encode()
            send_header(out, np, np.dtype(np.uint8), (len(classes),))
            out.write(classes)
            out.flush()
    except RefusedError as error:
        sys.stderr.write(str(error))
        return REFUSED
    return 0


def memory() -> int:
    """Return the bytes of address space of this process, or 0 where Linux does not tell them."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  no import more
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError):
        return 0


def limit(data: int, memory: int) -> None:
    """End this process if it takes more time than so many bytes do, or much more memory."""
    seconds = SECONDS + data // BYTES_A_SECOND
    if sys.platform == "win32":
        faulthandler.dump_traceback_later(10 * seconds, exit=True)  # no limit of processor time
        return
    lower("RLIMIT_CPU", seconds + int(sum(os.times()[:2])))  # not the wall's: disks may be slow
    lower("RLIMIT_CORE", 0)
    if memory:
        lower("RLIMIT_AS", memory + SPARE)


def lower(name: str, value: int) -> None:
    """Set a limit of the system as far as it is not stricter already."""
    if sys.platform == "win32":
        return
    kind = getattr(resource, name)
    _, most = resource.getrlimit(kind)
    resource.setrlimit(kind, (value if most < 0 else min(value, most), most))


def parts(names: list[Any]) -> tuple[str, str]:
    """Return the names of the images and the labels, of training or of test."""
    found = [part for part in ("train", "test") if f"{part}_set_x" in names]
    if len(found) != 1:
        raise RefusedError(f"expected either train_set_x or test_set_x, found {listed(names)}.")
    return f"{found[0]}_set_x", f"{found[0]}_set_y"


def listed(names: list[Any]) -> str:
    """Return some names as words; those that are no text are bytes."""
    shown = [name if isinstance(name, str) else repr(name) for name in names[:10]]
    return ", ".join(shown) + (", …" if len(names) > 10 else "") or "no data set"


def checked(file: Any, name: str) -> Any:
    """Return a data set whose numbers lie in this file, without having read them."""
    import h5py

    if name not in list(file):
        raise RefusedError(f"expected a data set {name}, found {listed(list(file))}.")
    if file.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:  # before it is followed
        raise RefusedError(f"expected {name} in the file itself, found a link; copy the data.")
    data_set = file[name]
    if not isinstance(data_set, h5py.Dataset):
        raise RefusedError(f"expected a data set {name}, found {listed(list(file))}.")
    if data_set.external or data_set.is_virtual:
        raise RefusedError(f"expected {name} in the file itself, found that it names other files.")
    check_type(name, data_set, h5py)
    check_storage(name, data_set)
    return data_set


def check_type(name: str, data_set: Any, h5py: Any) -> None:
    """Raise unless it holds numbers, or text if it is the classes, and is packed by known means."""
    text = name == "list_classes" and h5py.check_string_dtype(data_set.dtype) is not None
    if data_set.shape is None or not (text or data_set.dtype.kind in "buif"):
        raise RefusedError(f"{name}: expected numbers or names, found {data_set.dtype}.")
    properties = data_set.id.get_create_plist()
    codes = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    unknown = [code for code in codes if code not in FILTERS]
    if unknown:  # libhdf5 would load a plug-in
        known = ", ".join(FILTERS.values())
        raise RefusedError(
            f"{name}: expected data compressed by {known}, found filter {unknown[0]}; write them "
            'with compression="gzip".'
        )


def check_storage(name: str, data_set: Any) -> None:
    """Raise if the file holds too little for what is declared: the rest would be fill values."""
    stored = data_set.id.get_storage_size()
    declared = max(size(data_set), slab_size(data_set))
    if declared > MOST_UNPACKED * stored + FREE:
        raise RefusedError(
            f"{name}: expected data that are in the file, found {declared:,} bytes declared and "
            f"{stored:,} stored."
        )


def size(data_set: Any) -> int:
    """Return the bytes of a data set in memory; NumPy's own product may overflow."""
    return int(prod(data_set.shape) * data_set.dtype.itemsize)


def rows_at_once(data_set: Any) -> int:
    """Return how many rows are read at once: whole chunks, as each would be unpacked again."""
    chunk = data_set.chunks[0] if data_set.chunks else 1
    rows = SLAB * data_set.shape[0] // max(1, size(data_set))
    return int(max(chunk, rows - rows % chunk))


def slab_size(data_set: Any) -> int:
    """Return the bytes that are read at once; a chunk may be larger than the data."""
    if not data_set.shape:
        return size(data_set)
    rows = min(rows_at_once(data_set), data_set.shape[0])
    chunk = prod(data_set.chunks or (1,)) * data_set.dtype.itemsize
    return int(max(chunk, rows * size(data_set) // max(1, data_set.shape[0])))


def send(data_set: Any, out: Any, np: Any) -> None:
    """Write a data set as numpy.save does, in pieces, so that only one is in this process."""
    send_header(out, np, data_set.dtype, data_set.shape)
    if not data_set.shape:
        out.write(data_set[()].tobytes())
        return
    rows = rows_at_once(data_set)
    for start in range(0, data_set.shape[0], rows):
        out.write(np.ascontiguousarray(data_set[start : start + rows]).data)


def send_header(out: Any, np: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    """Write what precedes the numbers; NumPy's own writer wants to know the position in a pipe."""
    header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, header)


def class_names(data_set: Any) -> list[str]:
    """Return the names of the classes."""
    if len(data_set.shape) != 1:
        raise RefusedError(
            f"list_classes: expected one name a class, found shape {data_set.shape}."
        )
    if size(data_set) > NAMES:
        raise RefusedError(f"list_classes: expected at most {NAMES:,} bytes of names.")
    names: list[str] = []
    for start in range(0, data_set.shape[0], 256):  # one long text may be the name of each
        for name in data_set[start : start + 256].tolist():
            names.append(name.decode(errors="replace") if isinstance(name, bytes) else str(name))
            if len(names[-1]) > LETTERS:
                raise RefusedError(
                    f"list_classes: expected names of at most {LETTERS} letters, "
                    f"found one of {len(names[-1]):,}."
                )
    return names


if __name__ == "__main__":
    try:
        status = main()
    except Exception as error:  # noqa: BLE001  h5py raises what it happens to raise
        sys.stderr.write(f"{type(error).__name__}: {error}")
        status = 1
    sys.stderr.flush()
    os._exit(status)  # without the library's own tidying up, which may crash as well
