"""Writing a file so that its name always holds a whole one: the old, or the new.

The bytes go to a hidden temporary file beside it, reach the disk, and take the name in one
step. Whatever goes wrong before that step, the old file is as it was.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EISDIR, ENOENT
from pathlib import Path
from secrets import token_hex
from shutil import copymode
from typing import BinaryIO, TypeAlias

StrPath: TypeAlias = str | os.PathLike[str]


def write_atomically(path: StrPath, data: bytes) -> None:
    """Write ``data`` to ``path``; on any exception, the file that was there stays whole."""
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: StrPath) -> Iterator[BinaryIO]:
    """Open a file that takes the name ``path`` when it is complete; an exception discards it.

    A new file has the permissions that any program would give it, an overwritten one keeps
    its own. A symbolic link is followed.

    Raises
    ------
    OSError
        As `open` and `write` do; `FileNotFoundError` names the folder if it is missing.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(ENOENT, "no such folder", str(target.parent))
    temporary = target.with_name(f".{target.name}.{token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            with suppress(FileNotFoundError):
                copymode(target, temporary)
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:  # Ctrl-C too
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def writable(path: StrPath) -> None:
    """Raise `OSError` unless ``path`` can be written; nothing is left of the proof."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), str(path))
    if target.is_file() or not target.exists():
        temporary = target.with_name(f".{target.name}.{token_hex(4)}.tmp")
        temporary.open("xb").close()
        temporary.unlink()


def remove_leftovers(path: StrPath) -> None:
    """Delete the temporary files that killed processes left while they wrote ``path``.

    For the one process that writes ``path``: another one, half-way, would lose its file.
    """
    target = Path(os.path.realpath(path))
    hidden = f".{target.name}."
    for file in target.parent.iterdir() if target.parent.is_dir() else ():
        token = file.name.removeprefix(hidden).removesuffix(".tmp")
        if file.name == f"{hidden}{token}.tmp" and _is_token(token):
            file.unlink(missing_ok=True)


def _is_token(token: str) -> bool:
    """Whether this is what `write_atomically` puts in the middle: ".b.x" of "a.b.x" is not."""
    return len(token) == 8 and set(token) <= set("0123456789abcdef")


def _sync_folder(folder: Path) -> None:
    """Make a new name in the folder survive a power cut, where the system can."""
    with suppress(OSError):  # Windows does not open folders, some network drives do not sync them
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
