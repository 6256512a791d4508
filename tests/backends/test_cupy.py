"""CuPy where there is none: its devices, and which way the gradients of several ranks go."""

import sys
import types
from threading import local
from typing import ClassVar

import numpy as np
import pytest

import xpnn
from tests.fakes.fake_cupy import FakeDevice, fake_cupy
from tests.fakes.fake_ranks import on_ranks
from xpnn._backends.base import Backend
from xpnn._backends.cupy import CupyBackend

# ---- devices ---------------------------------------------------------------------------------


def no_driver():
    # what cupy.cuda.runtime says on a machine without one
    raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")


def test_cupy_without_a_driver(monkeypatch):
    fake_cupy(monkeypatch, no_driver)
    status = CupyBackend.status()
    assert (status.installed, status.usable, status.devices) == ("14.0", False, ())
    assert status.reason.startswith("no device: RuntimeError: cudaErrorInsufficientDriver")
    with pytest.raises(xpnn.BackendError, match=r"no device.*cudaErrorInsufficientDriver"):
        xpnn.set_backend("cupy")


def test_cupy_with_a_driver_and_no_gpu(monkeypatch):
    fake_cupy(monkeypatch, lambda: 0)
    assert not CupyBackend.status().usable
    assert CupyBackend.status().reason


@pytest.mark.parametrize(
    ("name", "id"),
    [("", 0), ("cuda", 0), ("0", 0), ("cuda:0", 0), ("1", 1), ("cuda:1", 1)],
)
def test_cupy_devices_by_name(monkeypatch, name, id):  # noqa: A002
    fake_cupy(monkeypatch, lambda: 2)
    assert CupyBackend.devices() == ("cuda:0", "cuda:1")
    assert CupyBackend.find_device(name).id == id  # whichever is current


@pytest.mark.parametrize("name", ["2", "cuda:2", "cpu", "gpu:0"])
def test_cupy_wrong_device(monkeypatch, name):
    fake_cupy(monkeypatch, lambda: 2)
    with pytest.raises(xpnn.ArgumentError, match=r"cupy.*expected one of cuda:0, cuda:1"):
        CupyBackend.find_device(name)


def test_cupy_current_is_a_device_object_of_its_own(monkeypatch):
    """CuPy's Device remembers one previous device: entered twice, it would restore itself."""
    fake_cupy(monkeypatch, lambda: 2)
    backend = CupyBackend(np, FakeDevice(0), np.dtype("float32"))
    assert backend.spec == "cupy:cuda:0"
    with backend.current(), backend.current():
        assert FakeDevice.entered == [0, 0]
    assert FakeDevice.entered == []
    assert not hasattr(backend.device, "before")  # it is never entered itself


# ---- several ranks: NCCL, or the host's memory -----------------------------------------------


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
