"""`Lock`: one training at a time writes a file.

The kernel decides, by its lock on an open file beside it (`flock`, on Windows a byte): it ends with
its process, whatever that dies of, so a pid that is dead or used again cannot mislead.
The words in the file (process, boot, host) are for the message, and for what the kernel does not
see: processes of other machines on a shared folder, and folders whose file system has no locks.
There nobody is taken for dead but who ran before this machine's last start.
"""

import os
import platform
import re
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from ..exceptions import ArgumentError
from .atomic import StrPath, hidden_prefix

WORDS = re.compile(rb"(\d{1,10}) ([0-9a-f-]{1,36}) ([\w.-]{1,255})\n")
UNKNOWN = b"-"
FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

BUSY = PermissionError if sys.platform == "win32" else BlockingIOError
"""What the system says of a lock that another has."""

_held: dict[tuple[int, int], "Lock"] = {}
"""The locks of this process, by device and inode."""


class Lock:
    """The right to write a file, from `take` to `release`."""

    target: StrPath
    path: Path
    file: BinaryIO | None = None
    identity: tuple[int, int]

    def take(self, target: StrPath) -> None:
        """Take the lock, or raise if another training has it.

        Parameters
        ----------
        target : str or path
            The file to be written; the lock is a hidden one beside it.

        Raises
        ------
        ArgumentError
        OSError
            If no file can be made there.
        """
        real = Path(os.path.realpath(target))
        self.target, self.path = target, real.with_name(f"{hidden_prefix(real.name)}lock")
        try:
            while self.file is None:
                self._try()
        except KeyboardInterrupt:  # it may have made a file and not yet kept it: `release` can then
            with suppress(ArgumentError, OSError):
                self._try()
            raise
        self.file.truncate(0)
        self.file.seek(0)
        self.file.write(b"%d %s %s\n" % (os.getpid(), _boot(), _host()))

    def release(self) -> None:
        """Give the lock up, and remove its file. Does nothing in a forked child.

        Whoever takes a lock releases it twice, from two blocks: Ctrl-C may cut one of them short.
        """
        if self.file is None:
            return
        if not self.file.closed:
            self._remove(self.file)
            _held.pop(self.identity, None)
            with suppress(OSError):  # it is closed all the same
                self.file.close()
        if sys.platform == "win32":  # where a file that is open stays
            self._remove(self.file)
        self.file = None

    def _try(self) -> None:
        """Take the lock, or raise; or neither, if another process comes between."""
        file, new = _opened(self.path)
        try:
            free = _lock(file)
            if free is False:
                raise self._refusal(file, "Wait until it has ended, or use another path.")
            if not (new or _ended(_read(file), kernel=bool(free))):
                raise self._refusal(file, f"If it has ended, remove {self.path}.")
            if _is_at(file, self.path):
                self.identity = _identity(file)
                self.file = file
                _held[self.identity] = self
        finally:
            if self.file is not file:
                file.close()

    def _refusal(self, file: BinaryIO, cure: str) -> ArgumentError:
        words = WORDS.fullmatch(_read(file))
        pid, host = (words[1].decode(), words[3].decode()) if words else ("unknown", "unknown")
        here = pid == str(os.getpid()) and _identity(file) in _held
        who = "another training of this process" if here else "another process"
        since = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime).astimezone()
        return ArgumentError(
            f"checkpoint: {who} (pid {pid} on {host}) is training with this checkpoint, since "
            f"{since.isoformat(timespec='seconds')}: {self.target}. {cure}"
        )

    def _remove(self, file: BinaryIO) -> None:
        with suppress(OSError):
            if file.closed or _is_at(file, self.path):
                self.path.unlink()


def _opened(path: Path) -> tuple[BinaryIO, bool]:
    """Return the lock file, open, and whether it was made just now."""
    while True:
        with suppress(FileExistsError):
            return _open(path, FLAGS | os.O_CREAT | os.O_EXCL), True
        with suppress(FileNotFoundError):
            return _open(path, FLAGS), False


def _open(path: Path, flags: int) -> BinaryIO:
    return open(path, "r+b", 0, opener=lambda name, _: os.open(name, flags, 0o666))


def _lock(file: BinaryIO) -> bool | None:
    """Lock an open file; return whether it was free, None where the file system has no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(1 << 30)  # far from the words: who wants to read them may
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(0)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BUSY:
        return False
    except OSError:
        return None
    return True


def _ended(words: bytes, *, kernel: bool) -> bool:
    """Whether a training that left these words has ended; ``kernel`` says whether one here has."""
    if not words.strip(b"\0"):  # it died before it could write, or the machine did
        return kernel
    found = WORDS.fullmatch(words)
    if found is None:
        return False
    _, boot, host = found.groups()
    if boot == _boot() != UNKNOWN:
        return kernel
    return host == _host() and (kernel or UNKNOWN not in (boot, _boot()))


def _read(file: BinaryIO) -> bytes:
    """Return the words of a lock file, or ``?`` if it is no regular file."""
    if not S_ISREG(os.fstat(file.fileno()).st_mode):
        return b"?"
    file.seek(0)
    return file.read(1024)


def _boot() -> bytes:
    """Return the boot id of the kernel, if it has one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    except OSError:
        return UNKNOWN


def _host() -> bytes:
    return re.sub(r"[^\w.-]", "_", platform.node()[:255] or "unknown", flags=re.ASCII).encode()


def _identity(file: BinaryIO) -> tuple[int, int]:
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether an open file still has its name: who gives a lock up removes it."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat(follow_symlinks=False))
    return False


def _leave_to_parent() -> None:
    """Close the locks in a forked child, which else would hold them on after its parent's death."""
    for lock in _held.values():
        if lock.file is not None:
            lock.file.close()
            lock.file = None
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
