"""Backends that plug-ins bring: whatever they do, the others go on."""

import sys

import numpy as np
import pytest

import xpnn
from tests.fakes.plug_ins import plug_in
from tests.helpers import NAMES
from xpnn._backends import registry
from xpnn._backends.numpy import NumpyBackend


class Plugged(NumpyBackend):
    name = "plugged"

    @classmethod
    def owns(cls, x):
        return isinstance(x, list) and x == ["mine"]


def test_a_plug_in_joins(monkeypatch):
    plug_in(monkeypatch, plugged=Plugged)
    assert xpnn.backends()[-1] == xpnn.BackendStatus("plugged", np.__version__, True, ("cpu",), "")
    assert isinstance(xpnn.set_backend("plugged"), Plugged)
    assert xpnn.get_backend().spec == "plugged:cpu"
    assert registry.backend_class_of(["mine"]) is Plugged
    with pytest.raises(xpnn.ArgumentError, match=r"expected one of .*plugged.*mean 'plugged'"):
        xpnn.set_backend("pluged")


def test_a_plug_in_cannot_take_a_built_in_name(monkeypatch):
    plug_in(monkeypatch, numpy=Plugged)
    assert [status.name for status in xpnn.backends()] == list(NAMES)
    assert xpnn.set_backend("numpy").name == "numpy"


def test_a_plug_in_that_does_not_load_is_reported_and_harms_nothing(monkeypatch):
    plug_in(monkeypatch, broken=ImportError("no module named broken"), plugged=Plugged)
    statuses = {status.name: status for status in xpnn.backends()}
    assert not statuses["broken"].usable
    assert "does not load" in statuses["broken"].reason
    assert "ImportError: no module named broken" in statuses["broken"].reason
    assert statuses["plugged"].usable
    assert statuses["numpy"].usable
    assert isinstance(xpnn.set_backend("plugged"), Plugged)
    assert registry.backend_class_of(object()) is None
    net = xpnn.Network([2, 2])
    assert net.forward(net.init(rng=0), [[1.0], [2.0]])[0].shape == (2, 1)


def test_choosing_a_plug_in_that_does_not_load_is_a_backend_error(monkeypatch):
    plug_in(monkeypatch, broken=ImportError("no module named broken"))
    with pytest.raises(xpnn.BackendError, match=r"'broken'.*no module named broken"):
        xpnn.set_backend("broken")


class Foreign:
    """An array of a library that only a plug-in knows."""

    dtype, shape = "float32", (1,)


@pytest.mark.parametrize("error", [SystemExit("no licence"), GeneratorExit(), ImportError("none")])
def test_a_plug_in_whose_import_ends_the_process_does_not(monkeypatch, error):
    plug_in(monkeypatch, evil=error)
    assert registry.backend_class_of(Foreign()) is None
    status = xpnn.backends()[-1]
    assert (status.name, status.usable) == ("evil", False)
    assert type(error).__name__ in status.reason
    with pytest.raises(xpnn.BackendError, match=f"'evil' does not load: {type(error).__name__}"):
        xpnn.set_backend("evil")


@pytest.mark.parametrize("method", ["create", "status", "owns", "of", "devices", "namespace"])
def test_a_plug_in_whose_method_ends_the_process_does_not(monkeypatch, method):
    def leave(*arguments):
        sys.exit("no licence")

    given = {"name": "evil", "owns": classmethod(lambda cls, x: isinstance(x, Foreign))}
    evil = type("Evil", (Plugged,), {**given, method: classmethod(leave)})
    plug_in(monkeypatch, evil=evil)
    xpnn.backends()
    if method not in ("owns", "of", "status"):
        with pytest.raises(xpnn.BackendError, match="SystemExit: no licence"):
            xpnn.set_backend("evil")
    if method != "owns":
        assert registry.backend_class_of(Foreign()) is evil
    with pytest.raises(xpnn.XpnnError):
        xpnn.Network([1, 1]).forward(((Foreign(), Foreign()),), [[1.0]])
    assert registry.backend_class_of([1.0]) is None


def test_ctrl_c_in_a_plug_in_is_one(monkeypatch):
    plug_in(monkeypatch, slow=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        xpnn.set_backend("slow")


def test_a_plug_in_is_imported_for_its_own_arrays_only(monkeypatch):
    pandas, sparse = pytest.importorskip("pandas"), pytest.importorskip("scipy.sparse")
    (entry,) = plug_in(monkeypatch, foreign=Plugged)
    net = xpnn.Network([2, 1], output="sigmoid")
    X = [[0.0, 1.0], [1.0, 0.0]]
    for x in (X, pandas.DataFrame(X), pandas.Series(X[0]), sparse.csr_matrix(X), object(), None):
        assert registry.backend_class_of(x) is None
    xpnn.fit(net, net.init(), X, [[0, 1]], epochs=1)
    assert entry.asked == 0
    monkeypatch.setattr(Plugged, "owns", classmethod(lambda cls, x: isinstance(x, Foreign)))
    assert registry.backend_class_of(Foreign()) is Plugged
    assert entry.asked == 1
