"""The lock of a checkpoint: one training at a time, whatever becomes of its process."""

import errno
import gc
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest

import xpnn
from tests.programs import lock_programs
from tests.programs.lock_programs import train
from xpnn.files import lock
from xpnn.training import loop

unix = pytest.mark.skipif(os.name != "posix", reason="signals, forks and files of Unix")
linux = pytest.mark.skipif(not Path("/proc/sys/kernel").exists(), reason="Linux names its starts")

OTHER_START = b"01234567-89ab-cdef-0123-456789abcdef"
ELSEWHERE = b"17 %s elsewhere.example\n" % OTHER_START


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.safetensors"


@pytest.fixture
def hidden(path):
    return path.with_name(f".{path.name}.lock")


def names(folder):
    return sorted(file.name for file in folder.iterdir())


# ---- other processes -------------------------------------------------------------------------


def start(path, name):
    command = [sys.executable, lock_programs.__file__, path, name]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize(
    "killed", [False, pytest.param(True, marks=unix)], ids=["to its end", "killed"]
)
def test_a_second_process_is_refused_and_the_first_goes_on(killed, path, hidden):
    leftover = path.with_name(f".{path.name}.01234567.tmp")  # of a write that is under way
    with start(path, "wait") as first:
        assert first.stdout.readline() == "training\n"
        leftover.touch()
        words = rf"another process \(pid {first.pid} on \S+\) is training with this checkpoint, "
        for _ in range(3):
            with pytest.raises(xpnn.ArgumentError, match=words + r".*run\.safetensors\. Wait"):
                train(path)
        assert leftover.exists()
        if killed:
            first.kill()
        _, errors = first.communicate("\n")
    assert first.returncode == (-signal.SIGKILL if killed else 0), errors
    assert hidden.exists() == killed
    assert train(path, 5) == 5
    assert names(path.parent) == [path.name]


@unix
def test_a_forked_child_is_refused_and_leaves_the_lock_to_its_parent(path, hidden):
    with start(path, "fork") as first:
        _, errors = first.communicate()
    assert first.returncode == 0, errors
    assert not hidden.exists()


@unix
def test_a_child_that_outlives_its_parent_does_not_hold_the_lock(path):
    with start(path, "orphan") as first:
        assert first.wait() == -signal.SIGKILL
        assert train(path, 5) == 5
        first.stdin.close()


# ---- this process ----------------------------------------------------------------------------


def test_a_second_thread_is_refused_until_the_first_has_ended(path):
    trains, ends = threading.Event(), threading.Event()

    def wait(report):
        trains.set()
        assert ends.wait(60)

    first = threading.Thread(target=train, args=(path, 3, wait))
    first.start()
    try:
        assert trains.wait(60)
        with pytest.raises(xpnn.ArgumentError, match="another training of this process"):
            train(path)
    finally:
        ends.set()
        first.join()
    assert train(path, 5) == 5


def test_a_training_inside_another_is_refused(path):
    def nested(report):
        with pytest.raises(xpnn.ArgumentError, match="another training of this process"):
            train(path)
        train(path.with_name("other"))

    assert train(path, 3, nested) == 3
    assert names(path.parent) == ["other", path.name]


@pytest.mark.parametrize("error", [RuntimeError, SystemExit])
def test_an_exception_ends_it(error, path, hidden):
    def fail(report):
        assert hidden.exists()
        raise error

    with pytest.raises(error) as _:  # which keeps every object of the training
        train(path, 3, fail)
    assert not hidden.exists()
    assert train(path) == 3


def test_a_refusal_leaves_no_lock(path):
    path.write_bytes(b"")
    with pytest.raises(xpnn.FileFormatError):
        train(path)
    assert names(path.parent) == [path.name]


def interrupted(at, path):
    """Train, with Ctrl-C before a line of what takes and releases; return what it raised."""
    functions = [*vars(lock).values(), *vars(lock.Lock).values(), xpnn.Checkpoint.begin]
    functions += [loop.train, loop.Loop.begin]
    functions += vars(suppress).values()
    codes = {each.__code__ for each in functions if hasattr(each, "__code__")}
    lines = 0

    def trace(frame, event, argument):
        nonlocal lines
        if frame.f_code not in codes:
            return None
        if event == "line":
            lines += 1
            if lines == at:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        train(path, 1)
    except KeyboardInterrupt as error:
        return error
    finally:
        sys.settrace(before)
    return None


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_ctrl_c_between_any_two_lines(tmp_path):
    """Though the exception, which keeps all objects of the training alive, is kept."""
    kept = []
    while not kept or kept[-1]:
        path = tmp_path / str(len(kept))
        kept.append(interrupted(len(kept) + 1, path))
        assert not lock._held
        assert not list(tmp_path.glob(".*"))
        assert train(path, 2) == 2
        assert not list(tmp_path.glob(".*"))
    assert len(kept) > 50
    kept.clear()
    gc.collect()  # what is closed only now warns


# ---- what is found in the file ---------------------------------------------------------------

ENDED = {"nothing yet": b"", "no words in a block that was not written": bytes(512)}
UNKNOWN = {
    "text": b"locked",
    "a list": b"[" * 1024,
    "no UTF-8": b"\xff\xfe",
    "a long number": b"9" * 500 + b" - host\n",
    "much": b"17 - host\n" * 10_000_000,
    "escapes": b"17 - \x1b[2Jhost\n",
    "another machine": ELSEWHERE,
}


@pytest.mark.parametrize("words", ENDED.values(), ids=ENDED)
def test_who_died_before_it_could_write_has_ended(words, path, hidden):
    hidden.write_bytes(words)
    assert train(path) == 3
    assert not hidden.exists()


@pytest.mark.parametrize("words", UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_known_is_believed_alive(words, path, hidden):
    hidden.write_bytes(words)
    who = "pid 17 on elsewhere.example" if words is ELSEWHERE else "pid unknown on unknown"
    for _ in range(2):
        cure = r"If it has ended, remove .*\.run\.safetensors\.lock\.$"
        with pytest.raises(xpnn.ArgumentError, match=rf"{who}.*{cure}"):
            train(path)
    assert hidden.read_bytes() == words
    hidden.unlink()
    assert train(path) == 3


@linux
@pytest.mark.parametrize("locks", [True, False], ids=["", "no locks"])
def test_what_ran_before_this_start_of_the_machine_has_ended(locks, path, hidden, monkeypatch):
    if not locks:
        without_locks(monkeypatch)
    hidden.write_bytes(b"%d %s %s\n" % (os.getpid(), OTHER_START, lock._host()))
    assert train(path) == 3


def test_the_error_says_since_when(path, hidden):
    hidden.write_bytes(ELSEWHERE)
    os.utime(hidden, (10**9, 10**9))
    with pytest.raises(xpnn.ArgumentError) as refusal:
        train(path)
    since = re.search(r"checkpoint, since (\S+): ", str(refusal.value))[1]
    assert datetime.fromisoformat(since).timestamp() == 10**9


@linux
def test_the_name_of_the_machine_may_change(path, hidden):
    hidden.write_bytes(b"17 %s another.name\n" % lock._boot())
    assert train(path) == 3


def test_the_words(path, hidden):
    def read(report):
        words = lock.WORDS.fullmatch(hidden.read_bytes())
        assert words.groups() == (b"%d" % os.getpid(), lock._boot(), lock._host())

    train(path, 1, read)


# ---- file systems ----------------------------------------------------------------------------


def without_locks(monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(file, operation):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_a_file_system_without_locks(path, hidden, monkeypatch):
    """A file that is there counts; who has been killed must be told by hand."""
    without_locks(monkeypatch)

    def nested(report):
        with pytest.raises(xpnn.ArgumentError, match="is training with this checkpoint"):
            train(path)

    assert train(path, 3, nested) == 3
    hidden.write_bytes(b"17 %s %s\n" % (lock._boot(), lock._host()))
    with pytest.raises(xpnn.ArgumentError, match=r"remove .*\.lock"):
        train(path, 5)
    hidden.unlink()
    assert train(path, 5) == 5


def test_a_lock_that_is_removed_while_it_is_taken_is_taken_anew(path, hidden, monkeypatch):
    real, calls = lock._lock, []

    def release_before(file):
        calls.append(hidden.unlink() if not calls else None)
        return real(file)

    monkeypatch.setattr(lock, "_lock", release_before)
    if os.name == "nt":
        pytest.skip("what is open cannot be removed")
    train(path, 1, lambda report: calls.append(hidden.stat()))
    assert len(calls) == 3
    assert not hidden.exists()


@unix
def test_links_pipes_and_folders_in_its_place(path, hidden, tmp_path):
    precious = tmp_path / "precious"
    precious.write_bytes(b"")
    for target in (precious, tmp_path / "missing"):
        hidden.symlink_to(target)
        with pytest.raises(OSError, match=r"\.lock"):
            train(path)
        hidden.unlink()
    assert precious.read_bytes() == b""
    os.mkfifo(hidden)
    with pytest.raises(xpnn.ArgumentError, match=r"remove .*\.lock"):
        train(path)
    hidden.unlink()
    hidden.mkdir()
    with pytest.raises(IsADirectoryError):
        train(path)


@unix
def test_two_names_of_one_file(path):
    other = path.with_name("other")
    other.symlink_to(path.name)

    def nested(report):
        with pytest.raises(xpnn.ArgumentError, match="another training of this process"):
            train(other)

    assert train(path, 2, nested) == 2


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(path, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match=path.name):
            train(path)
    finally:
        tmp_path.chmod(0o700)
