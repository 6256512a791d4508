"""Train on a file that is larger than any process may hold, and watch the private memory.

mpiexec -n 2 python tests/programs/large_data.py [GiB of data, 4 by default] [folder]

Rank 0 writes a .npy of that size; every rank maps its share of it and trains for an epoch. Printed
is the largest private memory (RssAnon) of each rank; status 1 if one is above a GiB, or above three
quarters of its share.
"""

import sys
import tempfile
from pathlib import Path
from threading import Event, Thread
from time import perf_counter

import numpy as np

import xpnn
from xpnn import distributed

N_X, ROWS_A_CHUNK = 1024, 2**14
LIMIT = 2**30


def write(path, m):
    """Write m rows, standard normal, whose first number says the class."""
    rng = np.random.default_rng(0)
    X = np.lib.format.open_memmap(path, "w+", np.float32, (m, N_X))
    for start in range(0, m, ROWS_A_CHUNK):
        X[start : start + ROWS_A_CHUNK] = rng.standard_normal((ROWS_A_CHUNK, N_X), np.float32)
    X.flush()


def private_bytes():
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.split("RssAnon:")[1].split()[0])


class Peak:
    """The largest private memory of this process inside a ``with`` block."""

    def __enter__(self):
        self.bytes, self.over = 0, Event()
        self.thread = Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.over.wait(0.01):
            self.bytes = max(self.bytes, private_bytes())

    def __exit__(self, *error):
        self.over.set()
        self.thread.join()


def main():
    comm = distributed.communicator()
    gigabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    m = int(gigabytes * 2**30) // (4 * N_X) // ROWS_A_CHUNK * ROWS_A_CHUNK
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as folder:
        path = Path(comm.broadcast(folder), "X.npy")
        if comm.rank == 0:
            write(path, m)
        comm.gather(None)  # until it is written
        net = xpnn.Network([N_X, 64, 2])
        with Peak() as peak:
            X = np.load(path, mmap_mode="r")[comm.shard(m)].T
            Y = (X[:1] > 0.0).astype(np.int64)
            began = perf_counter()
            params, history = xpnn.fit(
                net, net.init(rng=0), X, Y, epochs=1, batch_size=1024, communicator=comm
            )
            seconds = perf_counter() - began
        score = net.score(params, X[:, :4096], Y[:, :4096])
        peaks = comm.gather(peak.bytes)
    if comm.rank == 0:
        shown = ", ".join(f"{n / 2**20:.0f} MiB" for n in peaks)
        print(f"{m} x {N_X} float32, {m * N_X * 4 / 2**30:.2f} GiB, on {comm.size} ranks")
        print(f"private memory at most {shown}; {seconds:.0f} s an epoch; {history}; score {score}")
    return int(max(peaks) > min(LIMIT, 0.75 * gigabytes * 2**30 / comm.size))


if __name__ == "__main__":
    sys.exit(main())
