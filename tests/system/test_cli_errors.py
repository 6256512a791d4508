"""Whatever goes wrong on the command line: one line, status 2, and nothing is written."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import xpnn
from xpnn.cli import main

COMMANDS = ("train", "predict", "evaluate", "info", "export", "backends", "check", "demo", "bench")
NOISE = np.random.default_rng(0).bytes(300)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with a table, a model of it, and files that are none of both."""
    monkeypatch.chdir(tmp_path)
    for name in ("noise.csv", "noise.parquet", "noise.npy", "noise.npz", "noise.h5", "noise.png"):
        Path(name).write_bytes(NOISE)
    for name in ("noise.safetensors", "noise.xyz"):
        Path(name).write_bytes(NOISE)
    texts = {
        "header.csv": "a,y\n",
        "empty.csv": "",
        "unnamed.csv": "1,2,3\n4,5,6\n7,8,9\n",
        "semicolons.csv": "a;y\n1;2\n3;4\n",
        "latin.csv": "größe,y\n1,a\n2,b\n",
        "question.csv": "a,y\n1,u\n?,v\n4,u\n5,v\n",
        "missing.csv": "a,b,y\n1,u,0\n2,v,1\n,u,0\n" + "4,v,1\n5,v,0\n" * 4,
        "no_y.csv": "a,y\n1,u\n2,\n3,v\n4,u\n",
        "one_class.csv": "a,y\n1,u\n2,u\n3,u\n",
        "rare.csv": "a,y\n1,u\n2,u\n3,u\n4,u\n5,v\n",
        "names.csv": "a,y\n" + "".join(f"n{i},{i % 2}\n" for i in range(30)),
        "only_y.csv": "y\n" + "u\nv\n" * 9,
        "dates.csv": "a,y\n" + "".join(f"2026-01-{i + 1:02},{i % 2}\n" for i in range(30)),
        "infinite.csv": "a,y\n" + "".join(f"{i or 'inf'},{i % 2}\n" for i in range(9)),
        "longer.csv": "a,y\n" + "1,u,5\n2,v,6\n" * 6,
        "trailing.csv": "a,y\n" + "1,u,\n2,v,\n" * 6,
        "two.csv": "a,y\n" + "1,u\n" * 98 + "2,v\n" * 2,
        "good.csv": "a,b,y\n" + "".join(f"{i},{'uv'[i % 2]},{i % 2}\n" for i in range(12)),
        "renamed.csv": "A,b\n1,u\n",
        "surplus.csv": "a,b,c\n1,u,1\n",
        "unknown.csv": "a,b\n1,w\n",
        "text.csv": "a,b\nhigh,u\n",
        "hole.csv": "a,b\n,u\n",
        "other_y.csv": "a,b,y\n1,u,7\n",
    }
    for name, text in texts.items():
        Path(name).write_text(text, encoding="latin-1" if name == "latin.csv" else "utf-8")
    np.save("X.npy", np.ones((4, 3)))
    np.save("y.npy", [0, 1, 0])
    np.save("holes.npy", [[1.0, np.nan], [2.0, 3.0], [1.0, 1.0], [0.0, 1.0]])
    np.save("y4.npy", [0, 1, 0, 1])
    np.save("words.npy", np.array([["a", "b"], ["c", "d"]]))
    np.save("cube.npy", np.ones((2, 3, 4)))
    np.savez("named.npz", a=[1], b=[2])
    np.savez("cubes.npz", X=np.ones((4, 2)), y=np.ones((4, 2, 2)))
    np.savez("infinite.npz", X=np.ones((4, 2)), y=[0.0, 1.0, 0.0, np.inf])
    Path("damaged.gz").write_bytes(b"\x1f\x8b\x08" + NOISE)
    Path("no_images/cat").mkdir(parents=True)
    Path("nothing").mkdir()
    Path("both/cat").mkdir(parents=True)
    Path("both/a.png").write_bytes(NOISE)
    Path("both/cat/b.png").write_bytes(NOISE)
    with xpnn.use_backend("numpy"):
        net = xpnn.Network([2, 1], output="sigmoid")
        xpnn.save("network.safetensors", net, net.init(rng=0))


@pytest.fixture
def model(folder):
    pytest.importorskip("pandas")
    command = "train good.csv --target y --epochs 2 -o model.safetensors --hidden 4"
    assert main(command.split()) == 0
    return "model.safetensors"


def listing():
    return {path: path.stat().st_mtime_ns for path in Path().rglob("*")}


def refused(arguments, capsys):
    """Run a command that must fail; return its message."""
    capsys.readouterr()
    before = listing()
    try:
        status = main(arguments)
    except SystemExit as stopped:  # argparse
        status = stopped.code
    printed = capsys.readouterr()
    assert status == 2
    assert printed.out == ""
    assert re.fullmatch(r"xpnn: error: [^\n]+\n", printed.err), printed.err
    assert listing() == before
    return printed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "required: COMMAND"),
        ("nonsense", "invalid choice: 'nonsense'"),
        ("train", "required: DATA"),
        ("train none.csv --target y", "none.csv: expected a file or a folder, found none"),
        ("train noise.xyz", "noise.xyz: expected one of digits"),
        ("train X.npy none.npy", "none.npy: expected a file, found none"),
        ("train X.npy", "X.npy: expected labels beside the examples"),
        ("train X.npy y.npy", "found 4 examples .* and 3 labels"),
        ("train noise.npy y.npy", "noise.npy: expected arrays that numpy.save"),
        ("train noise.npz", "noise.npz: expected arrays that numpy.save"),
        ("train cubes.npz", "expected one label an example, shape .m,.*found labels of shape"),
        ("train infinite.npz", "expected finite numbers, found 1 NaN or infinite"),
        ("train damaged.gz", "damaged.gz: expected one of"),
        ("train named.npz", "expected arrays named X and y, found a, b"),
        ("train words.npy y.npy", "expected real numbers, found <U1"),
        ("train cube.npy y.npy", "found float64 of shape"),
        ("train holes.npy y4.npy --test-size 0", "finite numbers, found others, in 1 row"),
        ("train digits y.npy", "LABELS: expected none beside digits"),
        ("train digits --target y", "--target: expected none, as digits is no table"),
        ("train digits --drop y", "--drop: expected a table"),
        ("train digits --impute", "--impute: expected a table"),
        ("train digits --image-size 8x8", "--image-size: expected none"),
        ("train digits --image-size 8", "expected height x width like 64x64, found '8'"),
        ("train digits --test-size 1", "--test-size: expected 0 to 1, found 1"),
        ("train digits --l2 -1", "--l2: expected a finite number of at least 0"),
        ("train digits --activation rely", "unknown activation 'rely'.*Did you mean 'relu'"),
        ("train digits --resume", "--resume: expected --checkpoint FILE"),
        ("train digits --checkpoint run.txt", "--checkpoint: expected a name that ends in"),
        ("train digits --output digits", "--output: expected a name that ends in .safetensors"),
        (
            "train digits -o no/d.safetensors",
            "--output: expected a file that can be written, found no",
        ),
        ("train digits --task regress", "invalid choice: 'regress'"),
        ("predict none.safetensors digits", "none.safetensors: No such file"),
        ("predict noise.safetensors digits", "noise.safetensors: expected a model file"),
        ("predict good.csv digits", "good.csv: expected a model file"),
        ("predict nothing digits", "nothing: Is a directory"),
        ("predict network.safetensors digits", "found a bare network"),
        ("evaluate none.safetensors digits", "none.safetensors: No such file"),
        ("info none.safetensors", "none.safetensors: No such file"),
        ("info noise.safetensors", "noise.safetensors: expected a model file"),
        ("export none.safetensors a.onnx", "none.safetensors: No such file"),
        ("export network.safetensors a.txt", "expected a name that ends in .onnx"),
        ("export network.safetensors no/a.onnx", "OUT.onnx: expected a file that can be written"),
        ("bench --backend numpie", "unknown backend 'numpie'"),
        ("demo", "NAME: expected one of"),
    ],
)
def test_refusals(arguments, message, capsys):
    assert re.search(message, refused(arguments.split(), capsys))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("good.csv", "--target: expected a column of good.csv: a, b, y"),
        ("good.csv --target z", "--target: expected a column of good.csv .a, b, y., found 'z'"),
        ("good.csv --target y --drop z", "expected columns of the table .*found 'z'"),
        ("good.csv --target b --task regression", "--task: expected classification"),
        ("header.csv --target y", "expected rows of data, found a header without any"),
        ("empty.csv --target y", "expected a table, found an empty file"),
        ("unnamed.csv --target 3", "names of the columns in its first line, found numbers: 1, 2"),
        ("semicolons.csv --target y", "separated by commas, found a single column 'a;y'"),
        ("latin.csv --target y", "expected text in UTF-8"),
        ("noise.csv --target y", "noise.csv: expected"),
        ("question.csv --target y", r"found '\?' among numbers .row 2.*: --drop a\.$"),
        (
            "missing.csv --target y",
            r"column .a.: .* found 1 missing .*row 3.* with --impute\.$",
        ),
        ("no_y.csv --target y", "target 'y': .* found 1 missing .the first in row 2."),
        ("one_class.csv --target y", "expected at least two classes, found only 'u'"),
        ("rare.csv --target y", "each class in at least two rows.* found 'v' once"),
        ("names.csv --target y", "30 different texts in 30 rows, as names have; drop it: --drop a"),
        ("dates.csv --target y", "30 different texts in 30 rows"),
        ("only_y.csv --target y", "at least one column beside the target"),
        ("infinite.csv --target y", "column 'a': expected finite numbers, found inf .row 1"),
        ("infinite.csv --target y --impute", "expected finite numbers, found inf .row 1"),
        ("longer.csv --target y", "as many cells in each line as in the first, 2, found more"),
        ("trailing.csv --target y", "as many cells in each line as in the first, 2, found more"),
        ("two.csv --target y --test-size 0.9", "leaves a class without any to train on"),
        (
            "good.csv --target y --checkpoint good.safetensors",
            "expected another file than --output",
        ),
        ("good.csv --target y --checkpoint c.safetensors --optimizer lbfgs", "than lbfgs"),
        ("good.csv --target a --task classification --test-size 0.01", "--test-size"),
    ],
)
def test_tables_that_cannot_be_learnt(arguments, message, capsys):
    pytest.importorskip("pandas")
    assert re.search(message, refused(["train", *arguments.split()], capsys))


def test_parquet_that_is_none(capsys):
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    command = ["train", "noise.parquet", "--target", "y"]
    assert "noise.parquet: expected a table that can be read" in refused(command, capsys)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("no_images", "no_images/cat: expected image files, found none"),
        ("nothing", "nothing: expected image files, found none"),
        ("both", "both: expected images, or a folder of images for each class, found both: a.png"),
        ("noise.png", "noise.png: expected labels"),
    ],
)
def test_images_that_are_none(where, message, capsys):
    pytest.importorskip("PIL")
    assert message in refused(["train", where], capsys)


def test_h5_that_is_none(capsys):
    pytest.importorskip("h5py")
    assert "noise.h5: expected a whole HDF5 file" in refused(["train", "noise.h5"], capsys)


@pytest.mark.parametrize("command", ["predict", "evaluate"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("none.csv", "none.csv: expected a file or a folder"),
        ("header.csv", "expected rows of data"),
        ("empty.csv", "found an empty file"),
        ("renamed.csv", "expected the columns the model was trained on, a, b, found a table "),
        ("surplus.csv", "found a table with 'c'"),
        ("unknown.csv", "column 'b': expected one of u, v, .* found 'w' .row 1"),
        ("text.csv", "column 'a': expected numbers, .*found 'high' .row 1"),
        ("hole.csv", "column 'a': .*found 1 missing"),
        ("digits", "digits: expected table, as the model was trained on, found numbers"),
    ],
)
def test_data_that_are_not_the_models(command, data, message, model, capsys):
    if command == "evaluate" and Path(data).is_file():
        Path("labelled.csv").write_text(with_a_y(Path(data).read_text("utf-8")), "utf-8")
        data = "labelled.csv"
    assert re.search(message, refused([command, model, data], capsys))


def with_a_y(text):
    """Return the text of a table with a column of labels, so that it is the others that matter."""
    return "".join(f"{line},{'y' if i == 0 else 1}\n" for i, line in enumerate(text.splitlines()))


def test_predictions_do_not_replace_their_data(model, capsys):
    refused(["predict", model, "good.csv", "-o", "good.csv"], capsys)
    refused(["predict", model, "good.csv", "-o", model], capsys)


def test_another_number_of_features(capsys):
    xpnn.LogisticRegression().fit(np.eye(2), [0, 1]).save("two.safetensors")
    message = refused(["predict", "two.safetensors", "X.npy"], capsys)
    assert "X.npy: expected 2 numbers in a row, as the model was trained on, found 3" in message


def test_predictions_are_written_whole_or_not_at_all(model, capsys):
    Path("out.csv").write_text("old", encoding="utf-8")
    lines = Path("good.csv").read_text(encoding="utf-8").splitlines()
    Path("late.csv").write_text("\n".join([*lines, "1,w,0"]), encoding="utf-8")
    refused(["predict", model, "late.csv", "-o", "out.csv"], capsys)
    refused(["predict", model, "good.csv", "-o", "no/out.csv"], capsys)
    assert Path("out.csv").read_text(encoding="utf-8") == "old"


def test_labels_the_model_does_not_know(model, capsys):
    assert "expected the classes of the model, 0, 1, found 7" in refused(
        ["evaluate", model, "other_y.csv"], capsys
    )


def test_evaluate_without_labels(model, capsys):
    Path("no_labels.csv").write_text("a,b\n1,u\n", encoding="utf-8")
    assert "expected a column 'y'" in refused(["evaluate", model, "no_labels.csv"], capsys)


def test_a_checkpoint_is_no_model(capsys):
    command = "train digits --epochs 2 --hidden 4 --checkpoint run.safetensors"
    assert main(command.split()) == 0
    assert "found kind 'checkpoint'" in refused(["info", "run.safetensors"], capsys)


def test_debug_shows_where(capsys):
    assert main(["info", "none.safetensors", "--debug"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback (most recent call last):")
    assert printed.splitlines()[-1].startswith("xpnn: error: none.safetensors")


def test_an_error_that_nobody_foresaw_is_one_line(monkeypatch, capsys):
    def broken():
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr("xpnn.cli.backends.backends", broken)
    assert refused(["backends"], capsys) == (
        "xpnn: error: RuntimeError: first second (--debug shows where)\n"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"usage: xpnn {command}" in capsys.readouterr().out


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = capsys.readouterr().out
    for command in COMMANDS:
        assert re.search(rf"^    {command} ", printed, re.MULTILINE)


@pytest.mark.parametrize(
    ("library", "data"),
    [
        ("pandas", "good.csv --target y"),
        ("PIL", "nothing"),
        ("PIL", "noise.png"),
        ("h5py", "noise.h5"),
    ],
)
def test_a_missing_library_is_told_with_its_cure(library, data, monkeypatch, capsys):
    without(library, monkeypatch)
    assert "pip install 'xpnn[data]'" in refused(["train", *data.split()], capsys)


def test_a_file_that_is_no_image_needs_no_library_of_images(monkeypatch, capsys):
    without("PIL", monkeypatch)
    assert "noise.xyz: expected one of digits" in refused(["train", "noise.xyz"], capsys)


def without(library, monkeypatch):
    for module in [m for m in sys.modules if m.partition(".")[0] == library]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, library, None)
