"""The command line, as its user meets it: a process, what it prints, and its exit status."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import xpnn
from xpnn.cli import main
from xpnn.cli.demo import DEMOS
from xpnn.data import digits


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def accuracy(printed, part):
    return float(re.search(rf"(\d\.\d+) {part}", printed)[1])


def test_train_digits_is_good_and_quick():
    """The README's first command: at least 0.96 on the digits held out, in under 20 s."""
    done = subprocess.run(
        [sys.executable, "-m", "xpnn", "train", "digits"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert accuracy(done.stdout, "test") >= 0.96
    assert float(re.search(r"time +([\d.]+) s", done.stdout)[1]) < 20.0
    assert re.search(r"backend +numpy:cpu, float32", done.stdout)
    assert "1437 to train, 360 to test" in done.stdout
    assert "(128, 64)" in done.stdout  # the dimension table
    assert re.search(r"cost +0\.\d+ after \d+ epochs", done.stdout)
    assert "model     digits.safetensors" in done.stdout
    assert done.stderr == ""  # no progress bar in a pipe


@pytest.mark.slow("jax")
def test_train_on_every_backend(backend, capsys):
    assert main(["train", "digits", "--backend", backend.spec, "--epochs", "3"]) == 0
    printed = capsys.readouterr().out
    assert f"backend   {backend.spec}, float32" in printed
    assert accuracy(printed, "test") > 0.8


def test_options_are_heeded(capsys):
    command = "train digits --epochs 4 --hidden 16 --batch-size 100 --optimizer sgd --seed 3"
    assert main([*command.split(), "--learning-rate", "0.5"]) == 0
    printed = capsys.readouterr().out
    assert "4 epochs" in printed
    assert "(16, 64)" in printed
    assert "(16, 100)" in printed
    main([*command.split(), "--learning-rate", "0.5"])
    again = capsys.readouterr().out
    assert [line for line in again.splitlines() if not line.startswith("time")] == [
        line for line in printed.splitlines() if not line.startswith("time")
    ]
    main([*command.split(), "--learning-rate", "0.0005"])
    assert accuracy(capsys.readouterr().out, "train") < accuracy(printed, "train")


def test_no_hidden_layer(capsys):
    assert main(["train", "digits", "--hidden", "", "--epochs", "5"]) == 0
    assert "(10, 64)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "digit"], "unknown data 'digit': expected one of blobs, breast_cancer"),
        (["train", "digits", "--backend", "pytorch"], "did you mean 'torch'?"),
        (["train", "digits", "--backend", "nunpy"], "Did you mean 'numpy'?"),
        (["train", "digits", "--optimizer", "adm"], "Did you mean 'adam'?"),
        (["train", "digits", "--epochs", "0"], "--epochs: expected a positive integer, found 0"),
        (["train", "digits", "--batch-size", "-1"], "--batch-size: expected a positive integer"),
        (["train", "digits", "--hidden", "64,0"], "--hidden: expected a positive integer, found 0"),
        (
            ["train", "digits", "--learning-rate", "0"],
            "--learning-rate: expected a finite number above 0",
        ),
        (["train", "digits", "--seed", "-1"], "--seed: expected 0 to"),
        (["demo", "symetry"], "unknown demo 'symetry'"),
        (["demo", "broadcasting", "--backend", "pytorch"], "did you mean 'torch'?"),
    ],
)
def test_errors_are_one_line_and_status_2(capsys, arguments, message):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("xpnn: error: ")
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


@pytest.mark.parametrize(
    "arguments", [[], ["trian"], ["train"], ["train", "digits", "--hidden", "a"]]
)
def test_wrong_usage_is_one_line_and_status_2(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert re.fullmatch(r"xpnn: error: .*--help\)\n", capsys.readouterr().err)


def test_divergence_is_told(capsys):
    command = "train digits --optimizer sgd --learning-rate 1e30 --epochs 5"
    assert main(command.split()) == 2
    printed = capsys.readouterr()
    assert "training diverged" in printed.err
    assert "epoch 2" not in printed.out
    assert not Path("digits.safetensors").exists()


def test_ctrl_c_outside_of_training(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("xpnn.cli.backends.backends", interrupted)
    assert main(["backends"]) == 130


def test_backends_prints_the_status_table(capsys):
    assert main(["backends"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["backend", "installed", "usable", "devices", "reason"]
    assert [line.split()[0] for line in lines[1:]] == [s.name for s in xpnn.backends()]
    assert re.match(rf"numpy +{re.escape(np.__version__)} +yes +cpu", lines[1])


def test_digits_are_those_of_scikit_learn():
    """The same 1,797 images that scikit-learn ships."""
    from sklearn.datasets import load_digits

    X, y = digits(rows=True)
    theirs = load_digits()
    np.testing.assert_array_equal(X * 16.0, theirs.data)
    np.testing.assert_array_equal(y, theirs.target)
    assert X.dtype == np.float32


def test_a_reader_who_has_had_enough_is_no_error():
    """``xpnn train digits | head -1``: no traceback, status 0."""
    command = [sys.executable, "-m", "xpnn", "train", "digits", "--epochs", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_interrupted_training_is_told_and_has_a_status_of_its_own(monkeypatch, capsys):
    def interrupt(self, count):
        raise KeyboardInterrupt

    monkeypatch.setattr("xpnn.training.loop.Loop._advance", interrupt)
    assert main(["train", "digits"]) == 130
    assert "stopped by Ctrl-C after 0 complete epochs" in capsys.readouterr().out
    assert not Path("digits.safetensors").exists()


@pytest.mark.parametrize("picture", ["none/a.png", "a.txt", "a"])
def test_a_demo_asks_first_whether_its_picture_can_be_written(picture, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert main(["demo", "broadcasting", "--plot", str(tmp_path / picture)]) == 2
    printed = capsys.readouterr()
    assert "--plot: expected a file" in printed.err
    assert printed.out == ""


def test_a_demo_prints_and_draws(tmp_path, capsys):
    pytest.importorskip("matplotlib").use("Agg")
    assert main(["demo", "broadcasting", "--plot", str(tmp_path / "a.svg")]) == 0
    printed = capsys.readouterr().out
    assert "apples" in printed
    assert f"picture in {tmp_path / 'a.svg'}" in printed
    assert "<svg" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_demo_help_lists_every_demo(capsys):
    with pytest.raises(SystemExit):
        main(["demo", "--help"])
    printed = capsys.readouterr().out
    assert len(DEMOS) == 8
    for name in DEMOS:
        assert name in printed


def test_a_demo_without_matplotlib_says_what_to_install(monkeypatch, capsys):
    for module in ("matplotlib", "matplotlib.backend_bases"):
        monkeypatch.setitem(sys.modules, module, None)
    assert main(["demo", "broadcasting"]) == 0  # the table needs none
    capsys.readouterr()
    assert main(["demo", "broadcasting", "--plot", "a.png"]) == 2
    assert "drawing needs matplotlib" in capsys.readouterr().err


def test_what_needs_no_scikit_learn_does_not_import_it():
    code = "import sys, xpnn.cli; xpnn.cli.main(['backends']); print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
