"""`xpnn check`: green where all is right, red for each thing that may be wrong."""

import json
from dataclasses import replace

import numpy as np
import pytest

from xpnn.backends.numpy import NumpyBackend
from xpnn.backends.strict import StrictBackend
from xpnn.check import training as training_checks
from xpnn.cli import main
from xpnn.core.activations import ACTIVATIONS
from xpnn.core.losses import LOSSES


def check(capsys, backend):
    """Run the command; return its status and what it found."""
    status = main(["check", "--backend", backend, "--json"])
    return status, json.loads(capsys.readouterr().out)


def failures(capsys, backend="numpy"):
    """Run the command, which must fail, and return the findings that did."""
    status, report = check(capsys, backend)
    assert status == 1
    assert not report["passed"]
    return {f["check"]: f for f in report["findings"] if not f["passed"]}


def test_every_backend_passes(backend, capsys):
    status, report = check(capsys, backend.spec)
    failed = [finding for finding in report["findings"] if not finding["passed"]]
    assert (status, report["passed"], failed) == (0, True, [])
    checks = [finding["check"] for finding in report["findings"]]
    assert len(set(checks)) == len(checks)
    wide = "float64" in " ".join(checks)
    assert len(checks) == (36 if wide else 9)
    assert {finding["backend"] for finding in report["findings"]} == {backend.spec}
    measured = {finding["check"]: finding["found"] for finding in report["findings"]}
    if backend.name != "numpy":
        assert measured["waits for the device, an epoch"] == 1
        assert measured["moves to the device, an epoch"] >= 2
    assert 0 < measured["costs of 10 epochs, float32"] < 1e-6


@pytest.mark.parametrize("name", [name for name, g in ACTIVATIONS.items() if g.derivative])
def test_a_wrong_derivative_of_an_activation_is_found(name, capsys, monkeypatch):
    g = ACTIVATIONS[name]

    def wrong(Z, A, xp):
        return g.derivative(Z, A, xp) * 1.001

    monkeypatch.setitem(ACTIVATIONS, name, replace(g, derivative=wrong))
    failed = failures(capsys)
    assert set(failed) == {f"gradient of {name}, by {how}" for how in ("differences", "the graph")}
    for finding in failed.values():
        assert finding["found"] > 1e-5
        assert "install it anew" in finding["remedy"]


@pytest.mark.parametrize("name", LOSSES)
def test_a_wrong_derivative_of_a_cost_is_found(name, capsys, monkeypatch):
    loss = LOSSES[name]

    def wrong(A, Y, xp):
        return loss.dA(A, Y, xp) * 1.001

    monkeypatch.setitem(LOSSES, name, replace(loss, dA=wrong))
    failed = failures(capsys)
    assert set(failed) == {f"gradient of {name}, by {how}" for how in ("differences", "the graph")}


def test_products_of_few_digits_are_found(capsys, monkeypatch):
    asarray = NumpyBackend.asarray

    def rounded(self, x, dtype=None, copy=None):  # as TF32 rounds the factors
        a = asarray(self, x, dtype, copy)
        return a.astype(np.float16).astype(a.dtype) if a.dtype.kind == "f" else a

    monkeypatch.setattr(NumpyBackend, "asarray", rounded)
    training_checks._course_on_numpy()  # what was right before
    failed = failures(capsys)
    assert failed["matrix product, float32"]["remedy"] == NumpyBackend.full_precision
    assert failed["matrix product, float32"]["found"] == pytest.approx(3e-4, rel=0.5)
    assert "costs of 10 epochs, float32" in failed


def test_rows_out_of_order_are_found(capsys, monkeypatch):
    take_rows = NumpyBackend.take_rows

    def wrong(self, a, indices):
        return take_rows(self, a, (indices + 1) % a.shape[0])

    monkeypatch.setattr(NumpyBackend, "take_rows", wrong)
    training_checks._course_on_numpy()
    failed = failures(capsys)
    assert failed["order of the mini-batches, float32"]["found"] == 16
    assert "parameters after 10 epochs, float64" in failed


def test_reading_each_cost_is_found(capsys, monkeypatch):
    stack = StrictBackend.stack

    def eager(self, numbers):
        for number in numbers:
            self.number(number)
        return stack(self, numbers)

    monkeypatch.setattr(StrictBackend, "stack", eager)
    (finding,) = failures(capsys, "array_api_strict").values()
    assert (finding["check"], finding["found"]) == ("waits for the device, an epoch", 8)


def test_a_check_that_raises_fails_alone(capsys, monkeypatch):
    def broken(self, a):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(StrictBackend, "number", broken)
    failed = failures(capsys, "array_api_strict:CPU_DEVICE")
    assert set(failed) == {"derivatives, float64"}
    assert failed["derivatives, float64"]["found"] is None
    assert "RuntimeError: no such kernel" in failed["derivatives, float64"]["remedy"]


def test_the_table_names_what_failed_and_the_remedy(capsys, monkeypatch):
    poisson = LOSSES["poisson"]
    monkeypatch.setitem(LOSSES, "poisson", replace(poisson, dA=lambda A, Y, xp: A))
    assert main(["check", "--backend", "numpy"]) == 1
    out = capsys.readouterr().out
    (row,) = [line for line in out.splitlines() if line.startswith("gradient of poisson, by diff")]
    assert row.endswith("FAILED: numpy:cpu")
    assert "FAILED    gradient of poisson, by the graph, on numpy:cpu: found " in out
    assert "passed    34 of 36 checks" in out


def test_a_backend_that_does_not_work_is_an_error(capsys):
    assert main(["check", "--backend", "nowhere"]) == 2
    assert "unknown backend 'nowhere'" in capsys.readouterr().err
