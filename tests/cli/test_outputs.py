"""Files that the command line writes: proved possible before the work, never lost after it."""

import os
import stat
import tempfile
from errno import ENOSPC
from pathlib import Path

import pytest

import xpnn
from xpnn.cli import main
from xpnn.cli.outputs import check_distinct, check_writable, save_or_rescue

TRAIN = ["train", "moons", "--hidden", "2", "--epochs", "1"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "temporary").mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    for name in ("folder.safetensors", "folder.onnx", "folder.png", "folder.csv"):
        Path(name).mkdir()
    return tmp_path


@pytest.fixture
def model(capsys):
    assert main(TRAIN) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    "arguments",
    [
        (*TRAIN, "-o", "folder.safetensors"),
        (*TRAIN, "-o", "none/m.safetensors"),
        (*TRAIN, "-o", "a" * 300 + ".safetensors"),
        (*TRAIN, "-o", "a" * 229 + ".safetensors"),
        (*TRAIN, "--checkpoint", "folder.safetensors", "--resume"),
        (*TRAIN, "--checkpoint", "none/c.safetensors"),
        (*TRAIN, "--plot", "folder.png"),
        (*TRAIN, "--plot", "none/p.png"),
        ("predict", "moons.safetensors", "moons", "-o", "folder.csv"),
        ("predict", "moons.safetensors", "moons", "-o", "none/o.csv"),
        ("export", "moons.safetensors", "folder.onnx"),
        ("export", "moons.safetensors", "none/m.onnx"),
        ("demo", "broadcasting", "--plot", "folder.png"),
        ("demo", "broadcasting", "--plot", "none/p.png"),
        ("bench", "--report", "moons.safetensors"),
    ],
)
def test_what_cannot_be_written_is_told_before_the_work(arguments, model, capsys):
    if "--plot" in arguments or "--report" in arguments:
        pytest.importorskip("matplotlib")
    before = sorted(Path().rglob("*"))
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_folder_of_others(model):
    Path("theirs").mkdir(mode=0o500)
    assert main([*TRAIN, "-o", "theirs/m.safetensors"]) == 2


@pytest.mark.parametrize("name", ["new.csv", "old.csv", os.devnull])
def test_what_can_be_written_stays_as_it_is(name):
    Path("old.csv").write_text("old", encoding="utf-8")
    before = sorted(Path().rglob("*"))
    check_writable("--output", Path(name))
    assert sorted(Path().rglob("*")) == before
    assert Path("old.csv").read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize(
    "arguments",
    [
        (*TRAIN, "-o", "m.safetensors", "--checkpoint", "./m.safetensors"),
        ("train", "X.npy", "y.safetensors", "-o", "y.safetensors"),
        ("train", "d.png", "--plot", "d.png"),
        ("predict", "moons.safetensors", "d.png", "-o", "d.png"),
        ("predict", "moons.safetensors", "moons", "-o", "moons.safetensors"),
        ("export", "moons.onnx", "moons.onnx"),
    ],
)
def test_one_file_for_two_things(arguments, model, capsys):
    for name in ("X.npy", "y.safetensors", "d.png", "moons.onnx"):
        Path(name).write_bytes(b"data")
    assert main(arguments) == 2
    assert "expected another file than" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_one_file_by_two_names():
    Path("a").write_bytes(b"")
    Path("b").symlink_to("a")
    with pytest.raises(xpnn.ArgumentError, match="expected another file than DATA, found b"):
        check_distinct({"--output": Path("b")}, {"DATA": "a"})


# ---- a last save that fails -------------------------------------------------


def failing(monkeypatch, *folders):
    """Let models be saved nowhere in these folders."""
    original = xpnn.MLPClassifier.save

    def save(self, path):
        if Path(path).absolute().parent in folders:
            raise OSError(ENOSPC, "No space left on device", str(path))
        original(self, path)

    monkeypatch.setattr(xpnn.MLPClassifier, "save", save)


@pytest.mark.parametrize("refuge", ["temporary", "home"])
@pytest.mark.parametrize("how", [[], ["--json"]])
def test_a_model_that_cannot_be_saved_is_kept_elsewhere(refuge, how, folder, monkeypatch, capsys):
    full = [folder / "here"] if refuge == "temporary" else [folder / "here", folder / "temporary"]
    failing(monkeypatch, *full)
    assert main([*TRAIN, *how]) == 2
    (there,) = (folder / refuge).iterdir()
    printed = capsys.readouterr()
    assert printed.err == (
        "xpnn: error: moons.safetensors: the model cannot be written there (moons.safetensors: "
        f"No space left on device); it is in {there}.\n"
    )
    assert f"{there.name}" in printed.out
    assert "accuracy" in printed.out
    assert xpnn.load(there).n_iter_ == 1
    if os.name != "nt":
        assert stat.S_IMODE(there.stat().st_mode) == 0o600
    assert [path for path in folder.rglob("*") if path.is_file()] == [there]


def test_a_model_that_can_be_saved_nowhere(folder, monkeypatch, capsys):
    failing(monkeypatch, folder / "here", folder / "temporary", folder / "home")
    assert main(TRAIN) == 2
    assert capsys.readouterr().err == ("xpnn: error: moons.safetensors: No space left on device\n")
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_a_save_that_is_interrupted_is_repeated():
    tried = []

    def save(path):
        tried.append(path)
        if len(tried) == 1:
            raise KeyboardInterrupt
        path.write_bytes(b"whole")

    with pytest.raises(KeyboardInterrupt):
        save_or_rescue(save, Path("m.safetensors"))
    assert Path("m.safetensors").read_bytes() == b"whole"


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_to_itself_is_told(capsys):
    Path("loop.safetensors").symlink_to("loop.safetensors")
    assert main([*TRAIN, "-o", "loop.safetensors"]) == 2
    assert "--output: expected a file that can be written" in capsys.readouterr().err
