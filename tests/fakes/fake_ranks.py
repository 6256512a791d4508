"""Ranks that are threads of one process: what they exchange, without MPI."""

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from xpnn.distributed import Communicator


class FakeCommunicator(Communicator):
    """One of several ranks; ``values`` and ``barrier`` are those of all."""

    def __init__(self, rank, size, values, barrier):
        self.rank = self.local_rank = rank
        self.size, self.values, self.barrier = size, values, barrier
        self._process = os.getpid()

    def gather(self, value):
        self.values[self.rank] = value
        self.barrier.wait(timeout=30)
        found = list(self.values)
        self.barrier.wait(timeout=30)  # before the next value is written
        return found

    def broadcast(self, value=None):
        return self.gather(value)[0]


def on_ranks(size, function):
    """Return what ``function(communicator)`` returns on each of so many ranks."""
    values, barrier = [None] * size, Barrier(size)
    comms = [FakeCommunicator(rank, size, values, barrier) for rank in range(size)]
    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(function, comms))
