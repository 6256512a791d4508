"""System calls that fail: each one of saving, checkpointing, exporting and reading.

``python tests/programs/failing_calls.py`` makes the n-th call on the files fail, for every n, with
each of six errors, alone or with all calls after it. It prints a table and exits with 1 unless
after each the file is whole, the old one or the new one, and the exception is an `OSError` or the
library's.

The calls are those of the C library: a shared library, `failing_calls.c`, takes their place. It
needs Linux and a C compiler.
"""

import argparse
import ctypes
import errno
import json
import os
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

HERE = Path(__file__).parent
CODES = ("ENOSPC", "EIO", "EINTR", "ENOMEM", "EACCES", "EROFS")


def compiled(folder):
    """Compile the shared library; None where that is not possible."""
    library = Path(folder, "failing_calls.so")
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "failing_calls.c", "-ldl"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return library


def run(library, folder, *options):
    """Run `in_child` in a process under the library; return what it found, by operation."""
    command = [sys.executable, __file__, "--folder", folder, *map(str, options)]
    environment = {**os.environ, "LD_PRELOAD": str(library)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


# ---- what is done, each a function (folder) that writes or reads `file` in it -----------------


def operations():
    """Return the operations by name: (prepare, act, whether it writes)."""
    import xpnn
    from xpnn.cli.reading import read
    from xpnn.interop.onnx import write_onnx

    net = xpnn.Network([3, 4, 2])
    old, new = net.init(rng=0), net.init(rng=1)
    X, y = np.random.default_rng(0).standard_normal((3, 12)), np.arange(12) % 2

    def save_old(path):
        xpnn.save(path, net, old)

    def save_new(path):
        xpnn.save(path, net, new)

    def train(path, epochs=4):
        checkpoint = xpnn.Checkpoint(path, every=2, resume=True)
        return xpnn.fit(net, old, X, y[None], epochs=epochs, checkpoint=checkpoint)

    def begin_training(path):
        train(path, epochs=2)

    def to_onnx(path):
        write_onnx(path, net, new)

    def write_npz(path):
        np.savez(path, X=X.T, y=y)
        path.with_name("file.npz").replace(path)

    def write_csv(path):
        path.write_text("a,b\n" + "1,2\n" * 20, encoding="utf-8")

    def as_(ending, opening):
        def act(path):
            named = path.with_name(f"file{ending}")
            if not named.exists():
                os.link(path, named)
            opening(named)

        return act

    found = {
        "save, a new file": (None, save_new),
        "save, over an old file": (save_old, save_new),
        "checkpoint, from the start": (None, train),
        "checkpoint, resumed": (begin_training, train),
        "export to ONNX": (save_old, to_onnx),
        "load": (save_old, xpnn.load),
        "read .npz": (write_npz, as_(".npz", lambda path: read(str(path)))),
        "read .csv": (write_csv, as_(".csv", lambda path: read(str(path)))),
    }
    needed = {"export to ONNX": "onnx", "read .csv": "pandas"}
    return {name: each for name, each in found.items() if find_spec(needed.get(name, "numpy"))}


# ---- in the child -----------------------------------------------------------------------------


def in_child(folder, step):
    """Let calls fail, and say what came of it: calls, failures tried, and what was wrong."""
    shim = ctypes.CDLL(None)
    shim.watch(os.fsencode(folder))
    warnings.simplefilter("ignore")
    found = {}
    for name, (prepare, act) in operations().items():
        found[name] = Operation(shim, Path(folder), prepare, act).run(step)
    return found


class Operation:
    """One operation, done again and again with another call that fails."""

    def __init__(self, shim, folder, prepare, act):
        self.shim, self.folder, self.prepare, self.act = shim, folder, prepare, act

    def run(self, step):
        """Let every step-th call fail with each error, alone and with all after it."""
        old, new, calls = self._undisturbed()
        self.raised, tried, wrong = 0, 0, []
        for number in range(1, calls + 1):
            for code in CODES[number % step :: step]:
                for lasting in (False, True):
                    if lasting and code == "EINTR":  # Python tries again, for ever
                        continue
                    tried += 1
                    fault = self._disturbed(number, code, lasting, old, new)
                    if fault is not None:
                        wrong.append(f"call {number}, {code}{', and all after' * lasting}: {fault}")
        return {"calls": calls, "tried": tried, "raised": self.raised, "wrong": wrong}

    def _start(self):
        for file in self.folder.iterdir():
            file.unlink()
        path = self.folder / "file"
        if self.prepare is not None:
            self.prepare(path)
        return path

    def _undisturbed(self):
        """Return the old bytes, the new ones, and how many calls it takes."""
        self.act(self._start())  # imports what it needs
        path = self._start()
        old = held(path)
        self.shim.arm(0, 0, 0)
        self.act(path)
        calls = self.shim.disarm()
        return old, held(path), calls

    def _disturbed(self, number, code, lasting, old, new):
        """Return what is wrong after one failing call, or None."""
        import xpnn

        path = self._start()
        self.shim.arm(number, getattr(errno, code), int(lasting))
        error = None
        try:
            self.act(path)
        except (OSError, xpnn.XpnnError) as caught:
            error = caught
            self.raised += 1
        except BaseException as caught:  # noqa: BLE001 - this is what is looked for
            return f"foreign {caught!r}"
        finally:
            self.shim.disarm()
        now = held(path)
        if error is None and now != new:
            return "no exception, and not the new file"
        left = [file.name for file in self.folder.iterdir() if file.name.endswith(".tmp")]
        if left and not lasting:  # with the disk gone for good, nothing can be removed
            return f"left {left}"
        if isinstance(now, bytes) and now not in (old, new):
            return "the file is neither the old nor the new one"
        self.act(path)  # nothing that is left stands in the way; checkpoints are gone on from
        return None if held(path) == new else "the next time makes another file"


def held(path):
    """Return what a file holds, to be compared: of a checkpoint what the training has made."""
    from xpnn.files import container

    if not path.exists():
        return None
    raw = path.read_bytes()
    if b"best_epoch" not in raw:
        return raw
    _, content, tensors = container.read(path, ("checkpoint",))
    del tensors["seconds"], content["best_epoch"]
    return repr(content), {name: a.tobytes() for name, a in tensors.items()}


# ---- by hand ----------------------------------------------------------------------------------


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--step", type=int, default=1, help="each how many-th error is tried")
    arguments = parser.parse_args()
    if arguments.folder:
        print(json.dumps(in_child(arguments.folder, arguments.step)))
        return 0
    with TemporaryDirectory() as folder:
        library = compiled(folder)
        if library is None:
            sys.exit("needs Linux and a C compiler, cc")
        files = Path(folder, "files")
        files.mkdir()
        found = run(library, str(files), "--step", arguments.step)
    wrong = [f"{name}: {fault}" for name, each in found.items() for fault in each["wrong"]]
    for name, each in found.items():
        counts = f"{each['tried']:5} failures {each['raised']:5} told {len(each['wrong']):4} wrong"
        print(f"{name:28} {each['calls']:4} calls {counts}")
    print(*wrong[:50], sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
