"""`xpnn check`: green where all is right, red for each thing that may be wrong."""

import json
from dataclasses import replace

import numpy as np
import pytest

import xpnn
from xpnn._backends import numpy_namespace, selection
from xpnn._backends.numpy import NumpyBackend
from xpnn._backends.strict import StrictBackend
from xpnn.check import keeping, placement
from xpnn.check import training as training_checks
from xpnn.cli import main
from xpnn.core.activations import ACTIVATIONS
from xpnn.core.losses import LOSSES
from xpnn.files import networks


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


def gradients_of(name):
    return {f"gradient of {name}, by {how}" for how in ("differences", "the graph")}


@pytest.mark.slow("jax")
def test_every_backend_passes(backend, capsys):
    status, report = check(capsys, backend.spec)
    failed = [finding for finding in report["findings"] if not finding["passed"]]
    assert (status, report["passed"], failed) == (0, True, [])
    measured = {finding["check"]: finding["found"] for finding in report["findings"]}
    assert len(measured) == len(report["findings"])
    if "exp, float64" in measured:
        assert (len(measured), report["left_out"]) == (55, [])
    else:
        assert len(measured) == 24
        assert f"{backend.spec} in float64: " in report["left_out"][0]
    assert {finding["backend"] for finding in report["findings"]} == {backend.spec}
    if backend.name != "numpy":
        assert measured["waits for the device, an epoch"] == 1
        assert measured["moves to the device, an epoch"] >= 1
    assert 0 < measured["costs of 10 epochs, float32"] < 1e-6


needs_strict = pytest.mark.skipif(
    not StrictBackend.status().usable, reason="array-api-strict is not installed"
)


@pytest.fixture
def right_course():
    """What is compared with, computed before something is broken."""
    training_checks._course_on_numpy()


@pytest.mark.parametrize("name", [name for name, g in ACTIVATIONS.items() if g.derivative])
def test_a_wrong_derivative_of_an_activation_is_found(name, capsys, monkeypatch):
    g = ACTIVATIONS[name]

    def wrong(Z, A, xp):
        return g.derivative(Z, A, xp) * 1.001

    monkeypatch.setitem(ACTIVATIONS, name, replace(g, derivative=wrong))
    failed = failures(capsys)
    assert set(failed) == gradients_of(name)
    for finding in failed.values():
        assert finding["found"] > 1e-5
        assert "install it anew" in finding["remedy"]


@pytest.mark.parametrize("name", LOSSES)
def test_a_wrong_derivative_of_a_cost_is_found(name, capsys, monkeypatch):
    loss = LOSSES[name]

    def wrong(A, Y, xp):
        return loss.derivative(A, Y, xp) * 1.001

    monkeypatch.setitem(LOSSES, name, replace(loss, derivative=wrong))
    assert set(failures(capsys)) == gradients_of(name)


@pytest.mark.parametrize("name", LOSSES)
def test_a_derivative_that_is_nan_is_found(name, capsys, monkeypatch):
    monkeypatch.setitem(LOSSES, name, replace(LOSSES[name], derivative=lambda A, Y, xp: A * np.nan))
    failed = failures(capsys)
    assert set(failed) == {*gradients_of(name), f"gradient of {name}, float32"}
    assert {finding["found"] for finding in failed.values()} == {None}


def test_products_of_few_digits_are_found(capsys, monkeypatch, right_course):
    asarray = NumpyBackend.asarray

    def rounded(self, x, dtype=None, copy=None):  # as TF32 rounds the factors
        a = asarray(self, x, dtype, copy)
        return a.astype(np.float16).astype(a.dtype) if a.dtype.kind == "f" else a

    monkeypatch.setattr(NumpyBackend, "asarray", rounded)
    failed = failures(capsys)
    assert failed["matrix product, float32"]["remedy"] == NumpyBackend.full_precision
    assert failed["matrix product, float32"]["found"] == pytest.approx(3e-4, rel=0.5)
    assert "costs of 10 epochs, float32" in failed


def test_rows_out_of_order_are_found(capsys, monkeypatch, right_course):
    take_rows = NumpyBackend.take_rows

    def wrong(self, a, indices):
        return take_rows(self, a, (indices + 1) % a.shape[0])

    monkeypatch.setattr(NumpyBackend, "take_rows", wrong)
    failed = failures(capsys)
    assert failed["order of the mini-batches, float32"]["found"] == 16
    assert "parameters after 10 epochs, float64" in failed


@needs_strict
def test_reading_each_cost_is_found(capsys, monkeypatch):
    stack = StrictBackend.stack

    def eager(self, numbers):
        for number in numbers:
            self.number(number)
        return stack(self, numbers)

    monkeypatch.setattr(StrictBackend, "stack", eager)
    (finding,) = failures(capsys, "array_api_strict").values()
    assert (finding["check"], finding["found"]) == ("waits for the device, an epoch", 8)


@needs_strict
def test_more_moves_than_needed_are_found(capsys, monkeypatch):
    scan_input = StrictBackend.scan_input

    def again(self, a):
        for _ in range(3):
            scan_input(self, a)
        return scan_input(self, a)

    monkeypatch.setattr(StrictBackend, "scan_input", again)
    (finding,) = failures(capsys, "array_api_strict").values()
    assert (finding["check"], finding["found"]) == ("moves to the device, an epoch", 4)


@pytest.mark.parametrize("name", ["exp", "tanh", "log", "log1p"])
def test_a_wrong_function_is_found(name, capsys, monkeypatch):
    function = getattr(numpy_namespace, name)
    monkeypatch.setattr(numpy_namespace, name, lambda x: function(x) * (1 + 1e-4))
    failed = failures(capsys)
    assert failed[f"{name}, float32"]["found"] == pytest.approx(1e-4, rel=0.01)
    assert f"{name}, float64" in failed


def test_a_wrong_kernel_of_float32_is_found(capsys, monkeypatch):
    maximum = numpy_namespace.maximum

    def wrong(a, b):
        return maximum(a, b) * (1.05 if a.dtype == np.float32 else 1.0)

    monkeypatch.setattr(numpy_namespace, "maximum", wrong)
    failed = set(failures(capsys))
    assert {"gradient of relu, float32", "gradient of leaky_relu, float32"} <= failed
    assert not any("by differences" in check for check in failed)


@needs_strict
def test_weights_that_change_on_the_way_are_found(capsys, monkeypatch):
    from_host = StrictBackend.from_host

    def last_digit(self, x, dtype, copy):
        x = np.nextafter(x, np.inf, dtype=x.dtype) if x.shape == (16, 2) else x
        return from_host(self, x, dtype, copy)

    monkeypatch.setattr(StrictBackend, "from_host", last_digit)
    failed = failures(capsys, "array_api_strict")
    assert set(failed) <= {f"first weights, {dtype}" for dtype in ("float32", "float64")}
    assert failed["first weights, float64"]["found"] == 32


def test_numbers_that_a_file_changes_are_found(capsys, monkeypatch):
    def read_network(contents, backend):
        net, (first, *others) = networks.read_network(contents, backend)
        return net, (first._replace(b=first.b + 1.0), *others)

    monkeypatch.setattr(keeping, "read_network", read_network)
    (finding,) = failures(capsys).values()
    assert (finding["check"], finding["found"]) == ("numbers changed by saving and loading", 4)


@needs_strict
def test_arrays_on_another_device_are_found(capsys, monkeypatch):
    trained = placement.trained

    def elsewhere(epochs, callbacks):
        with xpnn.use_backend("array_api_strict:device1"):
            return trained(epochs, callbacks)

    monkeypatch.setattr(placement, "trained", elsewhere)
    (finding,) = failures(capsys, "array_api_strict:CPU_DEVICE").values()
    assert (finding["check"], finding["found"]) == ("arrays elsewhere", 7)  # θ and the output


def test_a_device_that_does_not_open_fails_and_the_others_are_checked(capsys, monkeypatch):
    create = StrictBackend.create.__func__

    def broken(cls, device="", dtype="float32"):
        if device == "CPU_DEVICE":
            raise xpnn.BackendError("no kernel image is available")
        return create(cls, device, dtype)

    monkeypatch.setattr(StrictBackend, "create", classmethod(broken))
    selection._made.cache_clear()
    monkeypatch.setattr(
        "xpnn.cli.check.usable_specs", lambda testing: ["array_api_strict:CPU_DEVICE", "numpy:cpu"]
    )
    try:
        assert main(["check"]) == 1
    finally:
        selection._made.cache_clear()
    out = capsys.readouterr().out
    assert (
        "FAILED    on array_api_strict:CPU_DEVICE: computes (found nan, at most 0). no kernel"
        in out
    )
    assert "passed    55 of 56 checks" in out


def test_an_installed_library_that_does_not_work_is_named(capsys, monkeypatch):
    broken = xpnn.BackendStatus("torch", "2.0", False, (), "no driver")
    absent = xpnn.BackendStatus("cupy", None, False, (), "not installed")
    monkeypatch.setattr("xpnn.cli.check.backends", lambda: (broken, absent))
    monkeypatch.setattr("xpnn.cli.check.usable_specs", lambda testing: ["numpy:cpu"])
    assert main(["check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left_out"] == ["torch: no driver"]
    assert main(["check"]) == 0
    assert "\nleft out  torch: no driver\n" in capsys.readouterr().out


@pytest.mark.parametrize("step", [1, 20, 60])
def test_ctrl_c_is_no_failure(step, capsys, monkeypatch):
    take_rows, steps = NumpyBackend.take_rows, iter(range(10**6))

    def interrupted(self, a, indices):
        if next(steps) == step:
            raise KeyboardInterrupt
        return take_rows(self, a, indices)

    monkeypatch.setattr(NumpyBackend, "take_rows", interrupted)
    assert main(["check", "--backend", "numpy"]) == 130
    assert "FAILED" not in capsys.readouterr().out


def test_a_check_that_raises_fails_alone(capsys, monkeypatch):
    def broken(path, net, params):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(keeping, "save", broken)
    (finding,) = failures(capsys).values()
    assert (finding["check"], finding["found"]) == ("keeping, float32", None)
    assert finding["remedy"].startswith("It raised RuntimeError: no such kernel. Try another")


def test_the_table_names_what_failed_and_the_remedy(capsys, monkeypatch):
    poisson = LOSSES["poisson"]
    monkeypatch.setitem(LOSSES, "poisson", replace(poisson, derivative=lambda A, Y, xp: A))
    assert main(["check", "--backend", "numpy"]) == 1
    out = capsys.readouterr().out
    (row,) = [line for line in out.splitlines() if line.startswith("gradient of poisson, by diff")]
    assert row.endswith("FAILED: numpy:cpu")
    (line,) = [line for line in out.splitlines() if line.startswith("FAILED  ")]
    assert line.startswith("FAILED    on numpy:cpu: gradient of poisson, by differences (found ")
    assert ", gradient of poisson, by the graph (found " in line
    assert ", at most 1e-12). If a function or the matrix product fails, too, begin there" in line
    assert "left out  GPUs: no library here has one" in out
    assert "passed    53 of 55 checks" in out


def test_a_backend_that_does_not_work_is_an_error(capsys):
    assert main(["check", "--backend", "nowhere"]) == 2
    assert "unknown backend 'nowhere'" in capsys.readouterr().err
