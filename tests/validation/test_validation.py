"""The one room that checks input: each check once, and whatever dtype comes."""

import numpy as np
import pytest

import xpnn
from xpnn import network
from xpnn.validation import memory
from xpnn.validation.arrays import check_kind, on_host

NET = xpnn.Network([2, 3, 1], hidden="tanh", output="sigmoid")
X, Y = np.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]]), np.asarray([[0.0, 1.0, 1.0]])
CALLS = {
    "forward": lambda params: NET.forward(params, X),
    "predict": lambda params: NET.predict(params, X),
    "score": lambda params: NET.score(params, X, Y),
    "cost": lambda params: NET.cost(params, X, Y),
    "gradients": lambda params: NET.gradients(params, X, Y),
}


@pytest.mark.parametrize("method", CALLS)
def test_a_network_checks_parameters_and_X_once(method, monkeypatch):
    seen = []
    for name in ("check_params", "check_X"):
        check = getattr(network, name)
        monkeypatch.setattr(
            network, name, lambda *given, check=check, name=name: seen.append(name) or check(*given)
        )
    CALLS[method](NET.init())
    assert seen == ["check_params", "check_X"]


@pytest.mark.parametrize("library", ["torch", "jax.numpy"])
def test_numbers_of_a_dtype_that_numpy_lacks_come_to_the_host(library):
    xp = pytest.importorskip(library)
    host = on_host(xp.ones((1, 3), dtype=xp.bfloat16))
    assert host.dtype == np.float32
    np.testing.assert_array_equal(host, 1.0)


def test_only_the_estimators_take_sparse_matrices():
    sparse = pytest.importorskip("scipy.sparse").csr_matrix(X)
    assert check_kind("X", sparse, scipy_sparse=True) is None
    with pytest.raises(xpnn.ArgumentTypeError, match=r"X: expected a dense array.*X\.toarray"):
        check_kind("X", sparse)


def test_an_error_of_memory_is_of_the_type_that_the_caller_names(monkeypatch):
    monkeypatch.setattr(memory, "host_memory", lambda: 2 * 10**9)
    words = ("a: expected arrays that", "some", "use fewer.")
    memory.check_memory(2 * 10**9, *words)
    message = r"arrays that fit into .* \(2\.0 GB\), found some, for which 3\.0 GB .*; use fewer\.$"
    for error in (xpnn.ArgumentError, xpnn.exceptions.OutOfMemoryError):
        with pytest.raises(error, match=message) as caught:
            memory.check_memory(3 * 10**9, *words, error)
        assert type(caught.value) is error
