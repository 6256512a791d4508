"""Writing a file so that its name always holds a whole one: the old, or the new.

The bytes go to a hidden temporary file beside it, reach the disk, and take the name in one
step. Whatever goes wrong before that step, the old file is as it was. A device or a FIFO is no
file that could be replaced: the bytes go straight to it.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, EISDIR, ENOENT, ENXIO
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from time import sleep
from typing import BinaryIO, TypeAlias
from warnings import warn

StrPath: TypeAlias = str | os.PathLike[str]

LONG = 100
"""Bytes of a name from which the temporary file's name is shorter than the file's own."""


def write_atomically(path: StrPath, data: bytes) -> None:
    """Write ``data`` to ``path``; on any exception, the file that was there stays whole."""
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: StrPath) -> Iterator[BinaryIO]:
    """Open a file that takes the name ``path`` when it is complete; an exception discards it.

    A new file has the permissions that any program would give it. An overwritten one keeps its
    own, its owner and its extended attributes, as far as this process may set them. A symbolic
    link is followed.

    Raises
    ------
    OSError
        As `open` and `write` do; `FileNotFoundError` names the folder if it is missing.
    """
    old = _replaced_status(path)
    if old is not None and not stat.S_ISREG(old.st_mode):
        with _open_device(path, old) as file:
            yield file
        return
    target = Path(os.path.realpath(path))
    temporary = _temporary(target)
    try:
        with temporary.open("xb") as file:
            if old is not None:
                _copy_attributes(temporary, target, old)
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException as error:  # Ctrl-C too
        if isinstance(error, OSError) and error.filename is None and error.errno is not None:
            error.filename = os.fspath(path)
        with suppress(OSError):  # the first error is the one to tell
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def check_replaceable(path: StrPath) -> None:
    """Raise the `OSError` that `replacing` would raise now, and leave no trace.

    Work that takes hours asks before it begins.
    """
    old = _replaced_status(path)
    if old is None or stat.S_ISREG(old.st_mode):
        temporary = _temporary(Path(os.path.realpath(path)))
        try:
            temporary.open("xb").close()
        finally:
            temporary.unlink(missing_ok=True)


def remove_leftovers(path: StrPath) -> None:
    """Delete the temporary files that killed processes left while they wrote ``path``.

    For the one process that writes ``path``: another one, half-way, would lose its file.
    """
    target = Path(os.path.realpath(path))
    leftover = re.compile(re.escape(hidden_prefix(target.name)) + r"[0-9a-f]{8}\.tmp")
    for file in target.parent.iterdir() if target.parent.is_dir() else ():
        if leftover.fullmatch(file.name):  # ".b.x" of "a.b.x" is none
            file.unlink(missing_ok=True)


def _replaced_status(path: StrPath) -> os.stat_result | None:
    """Return the status of the file to be replaced, None if there is none; raise if it must stay.

    To take a name, the folder's permission is enough. The file's own protection is asked here.
    """
    try:
        old = Path(path).stat()
    except FileNotFoundError:
        folder = Path(os.path.realpath(path)).parent
        if not folder.is_dir():
            raise FileNotFoundError(ENOENT, "no such folder", str(folder)) from None
        return None
    if stat.S_ISDIR(old.st_mode):
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), os.fspath(path))
    if not os.access(path, os.W_OK):
        raise PermissionError(EACCES, "the file may not be written", os.fspath(path))
    return old


def _open_device(path: StrPath, old: os.stat_result) -> BinaryIO:
    """Open a device, or a FIFO, for whose reader this waits 2 seconds."""
    if not stat.S_ISFIFO(old.st_mode):
        return os.fdopen(os.open(path, os.O_WRONLY), "wb")
    for _ in range(40):
        try:
            fifo = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != ENXIO:
                raise
            sleep(0.05)
        else:
            os.set_blocking(fifo, True)
            return os.fdopen(fifo, "wb")
    warn(f"{os.fspath(path)}: no process reads this FIFO; the data are lost.", stacklevel=2)
    return Path(os.devnull).open("wb")


def _copy_attributes(temporary: Path, target: Path, old: os.stat_result) -> None:
    """Give a new file the owner, permissions and extended attributes of the old one."""
    if hasattr(os, "chown"):
        for owner, group in ((-1, old.st_gid), (old.st_uid, -1)):
            with suppress(OSError):  # who may not give a file away keeps it
                os.chown(temporary, owner, group)
    temporary.chmod(stat.S_IMODE(old.st_mode))  # after chown, which clears some of the bits
    with suppress(AttributeError, OSError):  # Windows and some file systems have no attributes
        for name in os.listxattr(target):
            with suppress(OSError):
                os.setxattr(temporary, name, os.getxattr(target, name))


def _temporary(target: Path) -> Path:
    return target.with_name(f"{hidden_prefix(target.name)}{token_hex(4)}.tmp")


def hidden_prefix(name: str) -> str:
    """Return how the names of a file's temporary files begin: never longer than may be."""
    encoded = os.fsencode(name)
    if len(encoded) > LONG:
        name = f"{encoded[:LONG].decode(errors='ignore')}-{sha256(encoded).hexdigest()[:8]}"
    return f".{name}."


def _sync_folder(folder: Path) -> None:
    """Make a new name in the folder survive a power cut, where the system can."""
    with suppress(OSError):  # Windows does not open folders, some network drives do not sync them
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
