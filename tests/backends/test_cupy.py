"""Which way the gradients of several ranks go on CuPy: NCCL, or the host's memory."""

import sys
import types
from threading import local
from typing import ClassVar

import numpy as np
import pytest

from tests.fakes.fake_cupy import fake_cupy
from tests.fakes.fake_ranks import on_ranks
from xpnn._backends.base import Backend
from xpnn._backends.cupy import CupyBackend

here = local()


class FakeNccl:
    """What `cupyx.distributed.NCCLBackend` is to us; the ranks are threads."""

    made: ClassVar[list[tuple[int, int, bool]]] = []

    def __init__(self, size, rank, use_mpi=False):
        self.made.append((size, rank, use_mpi))

    def all_reduce(self, sent, received):
        received[...] = np.sum(here.communicator.gather(sent.copy()), axis=0)


@pytest.fixture
def cupy(monkeypatch):
    fake_cupy(monkeypatch, lambda: 2)
    cupy = sys.modules["cupy"]
    cupy.cuda.runtime.deviceGetPCIBusId = "0000:0{}:00.0".format
    nccl = types.SimpleNamespace(available=True)
    distributed = types.SimpleNamespace(NCCLBackend=FakeNccl)
    monkeypatch.setitem(sys.modules, "cupy.cuda", cupy.cuda)
    monkeypatch.setattr(cupy.cuda, "nccl", nccl, raising=False)
    monkeypatch.setitem(sys.modules, "cupyx", types.SimpleNamespace(distributed=distributed))
    monkeypatch.setitem(sys.modules, "cupyx.distributed", distributed)
    monkeypatch.setattr(FakeNccl, "made", [])
    monkeypatch.setattr(Backend, "make_allreduce", lambda backend, comm: "through the host")
    return cupy


def allreduce(device_of_rank, size=2):
    """Return what each rank sums with, and the sum of vectors of their ranks + 1."""

    def on_rank(communicator):
        here.communicator = communicator
        device = sys.modules["cupy"].cuda.Device(device_of_rank(communicator.rank))
        total = CupyBackend(np, device, np.float32).make_allreduce(communicator)
        return total if isinstance(total, str) else total(np.full(3, communicator.rank + 1.0))

    return on_ranks(size, on_rank)


def test_nccl_where_each_rank_has_a_gpu(cupy, capsys):
    for found in allreduce(lambda rank: rank):
        np.testing.assert_array_equal(found, [3.0, 3.0, 3.0])
    assert sorted(FakeNccl.made) == [(2, 0, True), (2, 1, True)]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("device_of_rank", "available", "reason"),
    [
        (lambda rank: 0, True, "several ranks share a GPU"),
        (lambda rank: rank, False, "CuPy has no NCCL"),
    ],
)
def test_the_host_otherwise_which_is_said_once(cupy, capsys, device_of_rank, available, reason):
    cupy.cuda.nccl.available = available
    assert allreduce(device_of_rank) == ["through the host"] * 2
    told = f"xpnn: gradients go through the host's memory, as {reason}\n"
    assert capsys.readouterr().err == told
    assert FakeNccl.made == []
