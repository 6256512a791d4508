"""``xpnn train`` and what uses its models, on every kind of data, as a user types it."""

import csv
import gzip
import io
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import xpnn
from xpnn.cli import main

pytestmark = pytest.mark.slow  # most start processes of their own


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(capsys):
    """Return a function that runs a command and returns what it printed."""

    def run(command, status=0):
        found = main(command.split() if isinstance(command, str) else command)
        printed = capsys.readouterr()
        assert (found, printed.err) == (status, "") or status != 0, printed.err
        return printed.out if status == 0 else printed.err

    return run


def rows_of_csv(text):
    return list(csv.DictReader(io.StringIO(text)))


def write(path, text):
    Path(path).write_text(text, encoding="utf-8")


# ---- tables -----------------------------------------------------------------------

COLOURS = ("blue", "green", "red")


def flowers(m=150, seed=0):
    """Return the lines of a CSV: two numbers and a text that tell three kinds of flowers."""
    rng = np.random.default_rng(seed)
    lines = ["label no,petal,stem,colour,species"]
    for i in range(m):
        k = int(rng.integers(3))
        petal, stem = 3.0 * k + rng.standard_normal(), 1000.0 + 50.0 * rng.standard_normal()
        colour = COLOURS[k] if rng.random() < 0.9 else COLOURS[int(rng.integers(3))]
        lines.append(f"n{i},{petal:.2f},{stem:.1f},{colour},{('iris', 'rose', 'tulip')[k]}")
    return lines


@pytest.fixture
def table():
    pytest.importorskip("pandas")
    write("flowers.csv", "\n".join(flowers()) + "\n")
    command = "train flowers.csv --target species --epochs 60 --hidden 16"
    return [*command.split(), "--drop", "label no"]


def test_a_table_from_training_to_predictions(table, run):
    printed = run(table)
    assert "data      flowers.csv: 150 rows, 3 columns beside the target" in printed
    assert re.search(r"target    species: 3 classes: iris \d+, rose \d+, tulip \d+\n", printed)
    assert re.search(r"petal +number +-[\d.]+ to [\d.]+\n", printed)
    assert re.search(r"colour +text +blue, green, red\n", printed)
    assert "120 to train, 30 to test" in printed
    assert printed.index("120 to train") < printed.index("epoch 1 of 60") < printed.index("cost ")
    assert float(re.search(r"([\d.]+) test", printed)[1]) > 0.85

    printed = run("info flowers.safetensors")
    assert "predicts  species: 3 classes: iris, rose, tulip" in printed
    assert re.search(r"colour +text +blue, green, red +refused", printed)
    assert re.search(r"label no +left out", printed)

    printed = run("evaluate flowers.safetensors flowers.csv")
    assert float(re.search(r"accuracy +([\d.]+)", printed)[1]) > 0.85
    assert re.search(r"true tulip +\d+ +\d+ +\d+", printed)

    predicted = rows_of_csv(run("predict flowers.safetensors flowers.csv"))
    assert len(predicted) == 150
    for row in predicted:
        P = {name: float(row[f"probability_{name}"]) for name in ("iris", "rose", "tulip")}
        assert sum(P.values()) == pytest.approx(1.0, abs=1e-5)
        assert row["prediction"] == max(P, key=P.get)
    true = [line.rpartition(",")[2] for line in flowers()[1:]]
    assert np.mean([a["prediction"] == b for a, b in zip(predicted, true, strict=True)]) > 0.85


def test_predict_takes_the_file_without_target_and_dropped_column_in_any_order(table, run):
    run(table)
    expected = run("predict flowers.safetensors flowers.csv")
    cells = [line.split(",") for line in flowers()]
    write("new.tsv", "\n".join(f"{c[3]}\t{c[2]}\t{c[1]}" for c in cells))
    assert run("predict flowers.safetensors new.tsv") == expected


def test_predictions_are_those_of_the_loaded_model(table, run):
    pandas = pytest.importorskip("pandas")
    run(table)
    model = xpnn.load("flowers.safetensors")
    expected = model.predict_proba(pandas.read_csv("flowers.csv"))
    assert run("predict flowers.safetensors flowers.csv -o out.csv") == ""
    predicted = rows_of_csv(Path("out.csv").read_text(encoding="utf-8"))
    found = [[float(row[f"probability_{c}"]) for c in model.classes_] for row in predicted]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_missing_values_are_imputed_when_asked(table, run):
    lines = flowers()
    lines[4] = "n3,,1000.0,red,tulip"
    lines[5] = "n4,6.0,1000.0,,tulip"
    write("flowers.csv", "\n".join(lines))
    assert "column 'petal'" in run(table, status=2)
    assert not list(Path().glob("*.safetensors"))
    assert re.search(r"petal +number .*; 1 missing", run([*table, "--impute"]))
    printed = run("info flowers.safetensors")
    assert re.search(r"stem +number +\d+", printed)
    assert len(rows_of_csv(run("predict flowers.safetensors flowers.csv"))) == 150


def test_text_stays_text_whatever_a_file_has_of_it(run):
    """A column of true, false and unknown, of which another file has no unknown."""
    pytest.importorskip("pandas")
    lines = [f"{('true', 'false', 'unknown')[i % 3]},{('0', '1', 'x')[i % 3]}" for i in range(60)]
    write("all.csv", "\n".join(["answer,y", *lines]))
    write("some.csv", "\n".join(["answer,y", *(line for line in lines if "x" not in line)]))
    run("train all.csv --target y --epochs 5")
    assert len(rows_of_csv(run("predict all.safetensors some.csv"))) == 40
    assert "40 rows" in run("evaluate all.safetensors some.csv")


def test_a_space_after_a_comma_means_nothing(table, run):
    run(table)
    expected = Path("flowers.safetensors").read_bytes()
    write("flowers.csv", "\n".join(flowers()).replace(",", ", "))
    run(table)
    assert Path("flowers.safetensors").read_bytes() == expected


def test_a_column_may_be_called_dtype(run):
    pytest.importorskip("pandas")
    write("t.csv", "dtype,y\n" + "1,u\n2,v\n" * 10)
    run("train t.csv --target y --epochs 2")


def test_another_target_of_a_table_of_scikit_learn(run):
    pytest.importorskip("pandas")
    report = json.loads(run(["train", "wine", "--target", "alcohol", "--epochs", "2", "--json"]))
    assert (report["target"], report["task"]) == ("alcohol", "regression")
    assert "cultivar" in [column["name"] for column in report["columns"]]


def test_parquet_is_read_like_csv(table, run):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    run(table)
    model = Path("flowers.safetensors").read_bytes()
    pandas.read_csv("flowers.csv").to_parquet("flowers.parquet")
    run(["train", "flowers.parquet", *table[2:]])
    assert Path("flowers.safetensors").read_bytes() == model


def test_numbers_are_predicted_in_their_own_units(run):
    pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 10, 200)
    price = 250_000 + 30_000 * x + 5_000 * rng.standard_normal(200)
    rows = [f"{a:.3f},{b:.0f}" for a, b in zip(x, price, strict=True)]
    write("houses.csv", "\n".join(["size,price", *rows]))
    printed = run("train houses.csv --target price --epochs 100")
    assert re.search(r"target    price: a number from \d+ to \d+\ntask      regression", printed)
    assert float(re.search(r"([\d.]+) train, ([\d.]+) test", printed)[2]) > 0.98
    predicted = [
        float(r["prediction"]) for r in rows_of_csv(run("predict houses.safetensors houses.csv"))
    ]
    assert np.sqrt(np.mean((predicted - price) ** 2)) < 15_000
    printed = run("evaluate houses.safetensors houses.csv")
    assert float(re.search(r"R² +([\d.]+)", printed)[1]) > 0.98
    assert 3_000 < float(re.search(r"RMSE +([\d.e+]+)", printed)[1]) < 15_000


@pytest.mark.parametrize("scaling", ["--standardize", "--no-standardize"])
def test_standardising_is_an_option(scaling, table, run):
    printed = run([*table, scaling, "--json"])
    assert json.loads(printed)["standardize"] is (scaling == "--standardize")
    # stem is about 1000: as it is, it drowns the others
    assert (json.loads(printed)["cost"][-1] < 0.4) is (scaling == "--standardize")


@pytest.mark.parametrize(
    ("target", "task", "expected"),
    [
        (["a", "b"] * 10, None, "classification"),
        ([0, 1] * 10, None, "classification"),
        ([True, False] * 10, None, "classification"),
        ([0.5, 1.5] * 10, None, "regression"),
        (list(range(20)), None, "regression"),
        ([0, 1] * 10, "regression", "regression"),
        ([1.0, 2.0] * 10, None, "classification"),
    ],
)
def test_the_task_follows_the_target(target, task, expected, run):
    pytest.importorskip("pandas")
    write("t.csv", "\n".join(["x,y", *(f"{i % 7},{y}" for i, y in enumerate(target))]))
    options = [] if task is None else ["--task", task]
    report = json.loads(
        run(["train", "t.csv", "--target", "y", "--epochs", "2", "--json", *options])
    )
    assert report["task"] == expected


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes"])
def test_the_tables_of_scikit_learn(name, run):
    pytest.importorskip("pandas")
    report = json.loads(run(f"train {name} --json --epochs 15"))
    assert report["test"].get("accuracy", 1.0) > 0.8
    assert report["test"].get("r2", 1.0) > 0.1
    assert f"data      {name}: {report['rows']} rows" in run(f"evaluate {name}.safetensors {name}")


@pytest.mark.parametrize("name", ["flower", "moons", "circles", "blobs", "spirals"])
def test_the_made_data(name, run):
    report = json.loads(run(f"train {name} --json --epochs 3"))
    assert (report["kind"], report["inputs"]) == ("numbers", 2)


# ---- images -----------------------------------------------------------------------


@pytest.fixture
def shapes():
    """Three classes of small pictures in folders: a bright bar at the top, middle or bottom."""
    Image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for k, name in enumerate(("bottom", "middle", "top")):
        Path("shapes", name).mkdir(parents=True)
        for i in range(12):
            picture = rng.integers(0, 90, (15, 12, 3)).astype(np.uint8)
            picture[10 - 5 * k : 15 - 5 * k] += np.uint8(150)
            Image.fromarray(picture).save(f"shapes/{name}/{i:02}.png")


def test_a_folder_of_images(shapes, run):
    printed = run("train shapes --image-size 10x8 --epochs 30 --hidden 16")
    assert "36 rows, images of 10 x 8 x 3" in printed
    assert "3 classes: bottom 12, middle 12, top 12" in printed
    assert "1.0000 test" in printed
    label, probability = run("predict shapes.safetensors shapes/top/03.png").split()
    assert label == "top"
    assert 0.5 < float(probability) <= 1.0
    predicted = rows_of_csv(run("predict shapes.safetensors shapes"))
    assert [Path(row["file"]).parent.name for row in predicted] == [
        row["prediction"] for row in predicted
    ]
    predicted = rows_of_csv(run("predict shapes.safetensors shapes/middle"))
    assert [row["prediction"] for row in predicted] == ["middle"] * 12
    assert "accuracy  1.0000" in run("evaluate shapes.safetensors shapes")
    assert "takes     images of 10 x 8 x 3, 240 numbers" in run("info shapes.safetensors")


def idx(a):
    sizes = b"".join(n.to_bytes(4, "big") for n in a.shape)
    return bytes([0, 0, 8, a.ndim]) + sizes + a.tobytes()


def pixels():
    X, y = xpnn.data.digits(rows=True)
    return (255 * X).astype(np.uint8).reshape(-1, 8, 8), y.astype(np.uint8)


def test_idx_files(run):
    X, y = pixels()
    Path("train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(X[:1000])))
    Path("train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(y[:1000])))
    Path("x.bin").write_bytes(idx(X[1000:]))
    Path("y.bin").write_bytes(idx(y[1000:]))
    printed = run("train train-images-idx3-ubyte.gz --epochs 20 -o m.safetensors")
    assert "1000 rows, images of 8 x 8\n" in printed
    assert float(re.search(r"([\d.]+) test", printed)[1]) > 0.9
    printed = run("evaluate m.safetensors x.bin y.bin")
    assert float(re.search(r"accuracy +([\d.]+)", printed)[1]) > 0.9
    assert len(rows_of_csv(run("predict m.safetensors x.bin"))) == 797


def test_a_picture_for_a_network_of_grey_levels(run):
    Image = pytest.importorskip("PIL.Image")
    X, y = pixels()
    np.savez("d.npz", x_train=X, y_train=y)
    run("train d.npz --epochs 20")
    Image.fromarray(np.stack([X[7]] * 3, axis=2)).save("seven.png")
    assert run("predict d.safetensors seven.png").split()[0] == "7"


def test_cats_layout(run):
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    X = rng.integers(0, 100, (60, 8, 8, 3)) + 100 * y[:, None, None, None]
    with h5py.File("cats.h5", "w") as file:
        file["train_set_x"], file["train_set_y"] = X.astype(np.uint8), y
        file["list_classes"] = [b"non-cat", b"cat"]
    printed = run("train cats.h5 --epochs 20")
    assert "60 rows, images of 8 x 8 x 3" in printed
    assert "1.0000 test" in printed
    assert "accuracy  1.0000" in run("evaluate cats.safetensors cats.h5")


# ---- arrays -----------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["pair", "npz", "columns"])
def test_arrays(layout, run):
    X, y = xpnn.data.moons(rows=True)
    np.save("X.npy", X)
    np.save("y.npy", y)
    np.savez("d.npz", X=X, y=y)
    np.savez("columns.npz", X=X.T, Y=y[None, :])
    data = {"pair": "X.npy y.npy", "npz": "d.npz", "columns": "columns.npz"}[layout]
    report = json.loads(run(f"train {data} --json --epochs 50 -o m.safetensors"))
    assert (report["rows"], report["inputs"], report["dtype"]) == (300, 2, "float64")
    printed = run(f"evaluate m.safetensors {data}")
    assert float(re.search(r"accuracy +([\d.]+)", printed)[1]) > 0.8
    assert len(rows_of_csv(run("predict m.safetensors X.npy"))) == 300


def test_several_targets(run, rng):
    X = rng.standard_normal((80, 3)).astype(np.float32)
    np.savez("labels.npz", X=X, y=(X[:, :2] > 0).astype(int))
    np.savez("numbers.npz", X=X, y=X[:, :2] * 100)
    report = json.loads(run("train labels.npz --json --learning-rate 0.05 --hidden="))
    assert (report["task"], report["outputs"]) == ("classification", 2)
    assert rows_of_csv(run("predict labels.safetensors labels.npz"))[0].keys() == {
        f"{what}_{k}" for what in ("prediction", "probability") for k in (0, 1)
    }
    report = json.loads(run("train numbers.npz --json --optimizer lbfgs --hidden="))
    assert (report["task"], report["dtype"]) == ("regression", "float32")
    rows = rows_of_csv(run("predict numbers.safetensors numbers.npz"))
    found = [[float(row["prediction_0"]), float(row["prediction_1"])] for row in rows]
    np.testing.assert_allclose(found, X[:, :2] * 100, atol=2.0)
    printed = run("evaluate labels.safetensors labels.npz")
    assert float(re.search(r"accuracy +([\d.]+)", printed)[1]) > 0.9


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_file_larger_than_allowed_memory_streams_through_predict(run, rng):
    """128 MiB of numbers are predicted in less than half as much private memory."""
    m, n = 2**19, 64
    rows = np.lib.format.open_memmap("X.npy", "w+", np.float32, (m, n))
    rows[:] = rng.standard_normal(n, dtype=np.float32)
    rows.flush()
    np.savez("d.npz", X=rng.standard_normal((50, n), dtype=np.float32), y=[0, 1] * 25)
    run("train d.npz --epochs 2 --hidden 4")
    code = """
import sys, threading, time
from pathlib import Path
from xpnn.cli import main
peak, over = 0, False
def watch():
    global peak
    while not over:
        status = Path("/proc/self/status").read_text()
        peak = max(peak, int(status.split("RssAnon:")[1].split()[0]))
        time.sleep(0.01)
thread = threading.Thread(target=watch)
main(["predict", "d.safetensors", "d.npz", "-o", "warm.csv"])
before = int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0])
thread.start()
status = main(["predict", "d.safetensors", "X.npy", "-o", "out.csv"])
over = True
thread.join()
print(status, peak - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    status, kilobytes = map(int, done.stdout.split())
    assert status == 0
    assert kilobytes * 1024 < m * n * 4 / 2
    with Path("out.csv").open(encoding="utf-8") as file:
        assert sum(1 for _ in file) == m + 1


# ---- the course of a training --------------------------------------------------------


def test_json_is_one_object_and_nothing_else(table, run):
    report = json.loads(run([*table, "--json"]))
    assert report["rows"] == 150
    assert report["classes"].keys() == {"iris", "rose", "tulip"}
    assert [column["name"] for column in report["columns"]] == ["petal", "stem", "colour"]
    assert report["sizes"] == [5, 16, 3]
    assert len(report["cost"]) == report["epochs"] <= 60
    assert report["test"]["accuracy"] > 0.85
    assert report["model"] == "flowers.safetensors"
    found = json.loads(run("evaluate flowers.safetensors flowers.csv --json"))
    assert found["classes"]["rose"]["recall"] > 0.8
    assert np.sum(found["confusion"]) == 150
    info = json.loads(run("info flowers.safetensors --json"))
    assert info["loss"] == "categorical_cross_entropy"
    assert info["classes"] == ["iris", "rose", "tulip"]


def test_no_test_part(table, run):
    report = json.loads(run([*table, "--json", "--test-size", "0"]))
    assert (report["train_rows"], report["test_rows"], report["test"]) == (150, 0, None)


def test_the_same_command_gives_the_same_file(table, run):
    run(table)
    first = Path("flowers.safetensors").read_bytes()
    run(table)
    assert Path("flowers.safetensors").read_bytes() == first
    run([*table, "--seed", "1"])
    assert Path("flowers.safetensors").read_bytes() != first


def test_the_cost_curve_is_drawn(table, run):
    pytest.importorskip("matplotlib").use("Agg")
    assert "picture   cost.svg" in run([*table, "--plot", "cost.svg"])
    assert "<svg" in Path("cost.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "rmsprop"])
def test_other_optimizers(solver, run):
    report = json.loads(run(f"train moons --json --optimizer {solver} --epochs 30"))
    assert report["test"]["accuracy"] > 0.8
    assert report["cost"][-1] < report["cost"][0]


def test_a_training_goes_on_from_its_checkpoint(run):
    run("train digits --epochs 30 --hidden 8")
    whole = Path("digits.safetensors").read_bytes()
    command = "train digits --hidden 8 --checkpoint run.safetensors"
    run(f"{command} --epochs 20")
    assert Path("digits.safetensors").read_bytes() != whole
    assert "run.safetensors exists already; pass --resume" in run(
        f"{command} --epochs 30", status=2
    )
    assert "for 10 epochs" in run(f"{command} --epochs 30 --resume")
    assert Path("digits.safetensors").read_bytes() == whole
    other = f"{command} --epochs 30 --resume --seed 1"
    assert "belongs to another training" in run(other, status=2)


def test_numbers_too_far_from_0_for_float32_are_noted(run):
    pytest.importorskip("pandas")
    pytest.importorskip("onnx")
    write("t.csv", "t,y\n" + "1700000000,u\n1700000100,v\n" * 20)
    assert "note" not in run("train t.csv --target y --epochs 200")
    assert "float32 is too coarse" in run("export t.safetensors t.onnx")
    run("train iris --epochs 2")
    assert "note" not in run("export iris.safetensors iris.onnx")


def test_export_gives_the_same_probabilities(table, run):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    pandas = pytest.importorskip("pandas")
    run(table)
    printed = run("export flowers.safetensors flowers.onnx")
    assert "petal, stem, colour=blue, colour=green, colour=red" in printed
    pipeline = xpnn.load("flowers.safetensors")
    frame = pandas.read_csv("flowers.csv")
    X = pipeline[0].transform(frame).astype(np.float32)
    session = onnxruntime.InferenceSession("flowers.onnx")
    found = session.run(["probabilities"], {"X": X})[0]
    np.testing.assert_allclose(found, pipeline.predict_proba(frame), atol=1e-4)


def on_a_terminal(arguments, seconds=60.0, when=None):
    """Run a command on a terminal of its own; return what appeared there, and the status."""
    pty = pytest.importorskip("pty", reason="needs a terminal of Unix")
    termios = pytest.importorskip("termios", reason="needs a terminal of Unix")
    command = [sys.executable, "-m", "xpnn", *arguments]
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    seen = b""
    end = time.monotonic() + seconds
    try:
        while select.select([ours], [], [], max(0.0, end - time.monotonic()))[0]:
            try:
                seen += os.read(ours, 65_536)
            except OSError:  # the other side is closed
                break
            if when is not None and re.search(when, seen):
                process.send_signal(signal.SIGINT)
                when = None
        return seen.decode(), process.wait(timeout=10)
    finally:
        process.kill()
        os.close(ours)


def test_a_terminal_shows_the_running_cost():
    seen, status = on_a_terminal(["train", "digits", "--epochs", "5"])
    assert status == 0
    assert re.search(r"5/5 .*cost=0\.\d+", seen)
    assert "epoch 1 of 5" not in seen


def test_ctrl_c_keeps_what_there_is():
    arguments = ["train", "digits", "--epochs", "100000", "--l2", "0.1", "--optimizer", "sgd"]
    arguments += ["--learning-rate", "1e-6", "--batch-size", "1"]
    seen, status = on_a_terminal(arguments, when=rb"cost=\d")
    assert status == 130
    epochs = int(re.search(r"stopped by Ctrl-C after (\d+) complete epochs", seen)[1])
    assert epochs >= 1
    assert xpnn.load("digits.safetensors").n_iter_ == epochs


@pytest.mark.slow
def test_ctrl_c_keeps_what_lbfgs_has():
    pytest.importorskip("pty", reason="needs a terminal of Unix")
    arguments = ["train", "digits", "--optimizer", "lbfgs", "--epochs", "100000", "--l2", "100"]
    seen, status = on_a_terminal([*arguments, "--hidden", "512,512"], when=rb"cost=\d")
    assert status == 130, seen
    epochs = int(re.search(r"stopped by Ctrl-C after (\d+) complete epochs", seen)[1])
    assert xpnn.load("digits.safetensors").n_iter_ == epochs >= 1


def in_a_shell(command):
    """Run a line of shell, with output buffered as users have it."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    return subprocess.run(
        command, check=True, shell=True, capture_output=True, text=True, env=environment
    )


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs a shell of Unix")
def test_a_reader_that_leaves_does_not_end_a_training():
    command = f"{sys.executable} -m xpnn train digits --epochs 3 | head -1"
    done = in_a_shell(command)
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
    assert xpnn.load("digits.safetensors").n_iter_ == 3
    done = in_a_shell(f"{sys.executable} -m xpnn info digits.safetensors | true")
    assert done.stderr == ""


def test_a_terminal_without_these_letters(tmp_path):
    command = [sys.executable, "-m", "xpnn", "train", "diabetes", "--epochs", "1"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    pytest.importorskip("pandas")
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert done.stderr == ""


def test_a_pipe_gets_plain_lines(run):
    printed = run("train digits --epochs 50")
    lines = [line for line in printed.splitlines() if line.startswith("epoch ")]
    assert 5 <= len(lines) <= 12
    assert all(re.fullmatch(r"epoch \d+ of 50, cost [\d.e-]+", line) for line in lines)


def test_labels_that_are_no_characters_are_refused(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.zeros((2, 3)))
    np.save(tmp_path / "y.npy", np.array(["a", "b"]))
    raw = (tmp_path / "y.npy").read_bytes()
    (tmp_path / "y.npy").write_bytes(raw[:-4] + b"\xff" * 4)
    assert main(["train", str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]) == 2
    assert "y.npy: expected whole arrays" in capsys.readouterr().err


def test_labels_with_nul_are_refused_before_the_training(tmp_path, capsys):
    """NumPy drops NUL at the end of a text: two classes would become one."""
    pytest.importorskip("pandas")
    (tmp_path / "d.csv").write_text("a,y\n" + "1,x\n2,x\0\n" * 9, encoding="utf-8")
    assert main(["train", str(tmp_path / "d.csv"), "--target", "y"]) == 2
    assert "expected names without NUL characters" in capsys.readouterr().err
