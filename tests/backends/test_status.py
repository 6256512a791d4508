"""What each backend reports of itself, and what is wrong with one that cannot be used."""

import types

import numpy as np
import pytest

import xpnn
from tests.helpers import NAMES, unusable
from xpnn._backends import registry
from xpnn._backends.numpy import NumpyBackend


def test_status_of_every_known_backend():
    statuses = {status.name: status for status in xpnn.backends()}
    assert tuple(statuses)[: len(NAMES)] == NAMES
    for status in statuses.values():
        assert status.usable == (status.reason == "")
        assert status.usable <= bool(status.installed)
        assert status.usable <= bool(status.devices)
    assert statuses["numpy"].installed == np.__version__
    assert statuses["numpy"].devices == ("cpu",)


@pytest.mark.parametrize("spec", NAMES)
def test_devices_of_the_status_can_be_chosen(spec):
    for device in registry.backend_class(spec).status().devices:
        assert xpnn.set_backend(f"{spec}:{device}").spec == f"{spec}:{device}"


@pytest.mark.parametrize("name", NAMES)
def test_the_reason_of_the_status_is_that_of_set_backend(name):
    status = registry.backend_class(name).status()
    if status.usable:
        assert unusable(name) is None
    else:
        assert status.reason in unusable(name)


class NotInstalled(NumpyBackend):
    name = "fake"
    distributions = ("no-such-distribution-1", "no-such-distribution-2")
    cure = "pip install fake"


class DoesNotImport(NumpyBackend):
    name = "fake"
    module = "xpnn.no_such_module"


class ImportExplodes(NumpyBackend):
    name = "fake"

    @classmethod
    def namespace(cls):
        raise OSError("libcublas.so.12: cannot open shared object file\nand a long trace")


class NoDevice(NumpyBackend):
    name = "fake"

    @classmethod
    def devices(cls):
        raise RuntimeError("no driver")


class AllocationFails(NumpyBackend):
    name = "fake"

    def asarray(self, x, dtype=None, copy=None):
        raise MemoryError("out of memory")


class WrongNumbers(NumpyBackend):
    name = "fake"

    @classmethod
    def namespace(cls):
        return types.SimpleNamespace(float32=np.float32, asarray=np.asarray, sum=lambda a: 7.0)


FAULTS = [
    # class, installed, devices, reason
    (NotInstalled, None, (), "not installed: pip install fake"),
    (DoesNotImport, np.__version__, (), "does not import: ModuleNotFoundError: No module named"),
    (ImportExplodes, np.__version__, (), "does not import: OSError: libcublas.so.12: cannot open"),
    (NoDevice, np.__version__, (), "no device: RuntimeError: no driver"),
    (AllocationFails, np.__version__, ("cpu",), "tiny computation failed: MemoryError: out of"),
    (WrongNumbers, np.__version__, ("cpu",), "tiny computation failed: ArithmeticError"),
]


@pytest.mark.parametrize(("fault", "installed", "devices", "reason"), FAULTS)
def test_status_says_what_is_wrong(fault, installed, devices, reason):
    status = fault.status()
    assert (status.name, status.installed) == ("fake", installed)
    assert (status.usable, status.devices) == (False, devices)
    assert reason in status.reason
    assert "\n" not in status.reason
    with pytest.raises(xpnn.BackendError, match="'fake' cannot be used") as caught:
        fault.create()
    assert status.reason in str(caught.value)


def test_create_tries_the_chosen_device_out():
    class SecondDeviceFails(NumpyBackend):
        name = "fake"

        @classmethod
        def devices(cls):
            return ("cpu", "broken")

        def asarray(self, x, dtype=None, copy=None):
            if self.device == "broken":
                raise RuntimeError("device lost")
            return np.asarray(x, dtype)

        @classmethod
        def namespace(cls):
            dtypes = {"float32": np.float32}
            info = types.SimpleNamespace(dtypes=lambda **_: dtypes)
            return types.SimpleNamespace(
                float32=np.float32, sum=np.sum, __array_namespace_info__=lambda: info
            )

    assert SecondDeviceFails.status().usable
    assert SecondDeviceFails.create("cpu").device == "cpu"
    with pytest.raises(xpnn.BackendError, match=r"tiny computation failed.*device lost.*broken"):
        SecondDeviceFails.create("broken")
