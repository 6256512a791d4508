"""`xpnn train --distributed`: what the ranks read, and that they train as one process does."""

import csv
import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xpnn
from tests.fakes.fake_ranks import FakeCommunicator, on_ranks
from tests.helpers import mpiexec
from tests.programs import mpi_programs as programs
from xpnn.cli import ranks as cli
from xpnn.cli.dataset import own_rows
from xpnn.cli.parquet import read_row_groups
from xpnn.cli.tables import read_lines, read_table

MANY = 3


# ---- which rows a rank reads ------------------------------------------------

CELLS = st.text(st.sampled_from('a1",\n\r;é'), max_size=6)


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=20), size=st.integers(1, 7))
def test_each_line_is_read_by_one_rank(tmp_path_factory, rows, size):
    path = tmp_path_factory.getbasetemp() / "lines.csv"
    header = ["first, with a comma", 'second with a "mark"\nand two lines']
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    parts = on_ranks(size, lambda comm: read_lines(comm, path).read())
    found = []
    for part in parts:
        records = list(csv.reader(part.decode().splitlines(keepends=True)))
        assert records[0] == header
        found += records[1:]
    assert found == [list(row) for row in rows]


def test_rows_are_counted_over_all_ranks(tmp_path):
    pytest.importorskip("pandas")
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + "1,x\n" * 9, encoding="utf-8")
    frames = on_ranks(3, lambda comm: read_table(path, ".csv", comm))
    assert [row for frame in frames for row in frame.index] == list(range(9))


def test_a_last_line_without_an_end(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n1,2\n3,4")
    parts = on_ranks(2, lambda comm: read_lines(comm, path).read())
    assert parts == [b"a,b\n1,2\n", b"a,b\n3,4"]


def test_a_quotation_mark_that_does_not_close(tmp_path):
    path = tmp_path / "pipes.csv"
    path.write_text('width,length\n5",2\n3,4\n', encoding="utf-8")
    with pytest.raises(xpnn.ArgumentError, match="marks in pairs, found 1; put a cell"):
        on_ranks(2, lambda comm: read_lines(comm, path))


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("group", [1, 4, 100])
def test_each_row_of_a_parquet_is_read_by_one_rank(tmp_path, size, group):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"n": range(23), "text": list("abcdefghijklmnopqrstuvw")})
    path = tmp_path / "x.parquet"
    frame.to_parquet(path, row_group_size=group)
    parts = on_ranks(size, lambda comm: read_row_groups(comm, path))
    assert [len(part) for part in parts] == [
        23 * (r + 1) // size - 23 * r // size for r in range(size)
    ]
    pandas.testing.assert_frame_equal(pandas.concat(parts, ignore_index=True), frame)


def test_only_the_groups_that_are_needed_are_read(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "x.parquet"
    pandas.DataFrame({"n": range(20)}).to_parquet(path, row_group_size=5)
    read = []
    original = parquet.ParquetFile.iter_batches

    def noting(file, *arguments, row_groups, **options):
        read.append(tuple(row_groups))
        return original(file, *arguments, row_groups=row_groups, **options)

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", noting)
    on_ranks(2, lambda comm: read_row_groups(comm, path))
    assert set(read) == {(0, 1), (2, 3)}


def test_the_rows_of_a_rank_among_those_of_all():
    m = [4, 0, 3]
    rows = np.asarray([0, 3, 4, 6])
    found = on_ranks(3, lambda comm: own_rows(comm, rows, m[comm.rank]).tolist())
    assert found == [[0, 3], [], [0, 2]]


def test_a_gpu_for_each_rank(monkeypatch):
    from xpnn._backends.strict import StrictBackend

    pytest.importorskip("array_api_strict")
    monkeypatch.setattr(StrictBackend, "devices", classmethod(lambda cls: ("cuda:0", "cuda:1")))
    monkeypatch.setattr(StrictBackend, "device_name", "cuda:0")
    asked = []
    chosen = StrictBackend.__new__(StrictBackend)

    def select(name):
        asked.append(name)
        return chosen

    monkeypatch.setattr("xpnn.cli.ranks.set_backend", select)
    for size, name in ((3, "array_api_strict"), (2, "array_api_strict:cuda:1")):
        asked.clear()
        on_ranks(size, lambda comm, name=name: cli.select_backend(comm, name))
        numbered = [spec for spec in asked if spec != name]
        expected = [0, 0, 1] if size == 3 else []  # rank 2 shares the first
        assert sorted(numbered) == [f"array_api_strict:cuda:{i}" for i in expected]
    asked.clear()
    monkeypatch.setattr("xpnn.cli.ranks.get_backend", lambda: chosen)
    monkeypatch.setenv("XPNN_BACKEND", "array_api_strict:cuda:1")
    on_ranks(2, lambda comm: cli.select_backend(comm, None))
    assert asked == []
    monkeypatch.setenv("XPNN_BACKEND", "array_api_strict")
    on_ranks(2, lambda comm: cli.select_backend(comm, None))
    assert sorted(asked) == ["array_api_strict:cuda:0", "array_api_strict:cuda:1"]


# ---- under mpiexec ----------------------------------------------------------


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Return a folder with data of every kind that ranks read in parts."""
    pandas = pytest.importorskip("pandas")
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    m = 120
    frame = pandas.DataFrame(
        {
            "height": rng.standard_normal(m),
            "count": rng.integers(0, 9, m),
            "colour": rng.choice(["red", "blue, dark", "gre\nen", 'a "mark"'], m),
            "code": ["12"] * 50 + ["none"] * 70,  # the first rank sees nothing but numbers
        }
    )
    frame["kind"] = np.where(frame["count"] + frame.height > 4, "yes", "no")
    frame["size"] = 2.0 * frame["count"] + rng.standard_normal(m)
    frame.loc[rng.choice(m, 9, replace=False), "height"] = np.nan
    frame.loc[rng.choice(m, 9, replace=False), "colour"] = None
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_parquet(folder / "t.parquet", row_group_size=25)
    X = rng.standard_normal((m, 6))
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", (X[:, 0] > 0.0).astype(int))
    for label in "ab":
        (folder / "pictures" / label).mkdir(parents=True)
        for i in range(9):
            pixels = rng.integers(0, 120 if label == "a" else 255, (6, 6, 3), dtype=np.uint8)
            image.fromarray(pixels).save(folder / "pictures" / label / f"{i}.png")
    return folder


def train(folder, *arguments, ranks=1):
    start = [mpiexec(), "-n", str(ranks)] if ranks > 1 else []
    shared = ["--distributed"] if ranks > 1 else []
    return subprocess.run(
        [*start, sys.executable, "-m", "xpnn", "train", *arguments, *shared],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        "t.csv --target kind --impute --drop size",
        "t.parquet --target size --impute --drop kind",
        "X.npy y.npy",
        "pictures --image-size 4x4 --test-size 0.25",
        "iris --no-standardize",
    ],
)
def test_ranks_train_as_one_process_does(tables, mpi, arguments):
    found = []
    for ranks in (1, MANY):
        output = f"m{ranks}.safetensors"
        given = (*arguments.split(), "--epochs", "8", "--json", "-o", output)
        done = train(tables, *given, ranks=ranks)
        assert done.returncode == 0, done.stderr
        found.append((json.loads(done.stdout), xpnn.load(tables / output)))
    (one, alone), (several, together) = found
    assert (one.pop("ranks"), several.pop("ranks")) == (1, MANY)
    for report in (one, several):
        for name in ("seconds", "model", "epochs_now"):
            report.pop(name)
    tolerance = 1e-4 if one["dtype"] == "float32" else 1e-9
    np.testing.assert_allclose(several.pop("cost"), one.pop("cost"), rtol=tolerance)
    for part in ("train", "test"):
        ours, theirs = several.pop(part), one.pop(part)
        assert ours == pytest.approx(theirs, rel=tolerance)
    assert several == one
    for a, b in zip(last(together).coefs_, last(alone).coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_a_checkpoint_is_gone_on_from(tables, mpi):
    shared = ("X.npy", "y.npy", "--checkpoint", "halfway.safetensors", "--json")
    done = train(tables, *shared, "--epochs", "4", "-o", "four.safetensors", ranks=2)
    assert done.returncode == 0, done.stderr
    more = (*shared, "--epochs", "8", "--resume", "-o", "eight.safetensors")
    done = train(tables, *more, ranks=MANY)
    assert (done.returncode, json.loads(done.stdout)["epochs_now"]) == (0, 4), done.stderr
    train(tables, *shared[:2], "--epochs", "8", "-o", "straight.safetensors")
    found, expected = (last(xpnn.load(tables / f"{n}.safetensors")) for n in ("eight", "straight"))
    for a, b in zip(found.coefs_, expected.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_ctrl_c_keeps_the_model_and_the_checkpoint(tables, mpi):
    typing = [sys.executable, programs.__file__, "on_a_terminal", mpiexec(), "-n", "2"]
    words = ["-m", "xpnn", "train", "X.npy", "y.npy", "--distributed", "--epochs", "5000000"]
    files = ["--checkpoint", "stopped.safetensors", "-o", "kept.safetensors"]
    done = subprocess.run(
        [*typing, sys.executable, *words, *files],
        cwd=tables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stdout
    assert (tables / "stopped.safetensors").exists(), done.stdout
    assert (tables / "kept.safetensors").exists(), done.stdout


def test_the_plain_run_in_one_process(tables, mpi):
    shared = ("X.npy", "y.npy", "--epochs", "3", "-o")
    plain = train(tables, *shared, "plain.safetensors")
    alone = train(tables, *shared, "alone.safetensors", "--distributed")
    assert plain.returncode == alone.returncode == 0, alone.stderr
    found, expected = (last(xpnn.load(tables / f"{n}.safetensors")) for n in ("alone", "plain"))
    for a, b in zip(found.coefs_, expected.coefs_, strict=True):
        assert np.array_equal(a, b)


def last(model):
    return model.steps[-1][1] if hasattr(model, "steps") else model


def test_only_rank_0_prints(tables, mpi):
    done = train(tables, "X.npy", "y.npy", "--epochs", "3", ranks=2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("rows      96 to train, 24 to test") == 1
    assert re.search(r"^backend   numpy:cpu, float\d\d, on 2 processes$", done.stdout, re.MULTILINE)
    assert done.stdout.count("accuracy  ") == done.stdout.count("model     ") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.csv"], "rank 0 of 2: nothing.csv: expected a file"),
        (["t.csv", "--target", "kind"], "missing"),
        (["X.npy", "y.npy", "--optimizer", "lbfgs"], "communicator: expected another solver"),
    ],
)
def test_an_error_ends_all_ranks(tables, mpi, arguments, message):
    done = train(tables, *arguments, ranks=2)
    assert done.returncode != 0
    assert done.stderr.count("xpnn: error: ") == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), 130), (SystemExit(143), 143), (ValueError("of one"), 2)],
    ids=repr,
)
def test_what_ends_one_rank_ends_all(error, status, capsys):
    ended = []

    def abort(status):
        ended.append(status)
        raise SystemExit(status)

    def command():
        raise error

    comm = FakeCommunicator(0, 2, [], Barrier(1))
    comm.abort = abort
    with pytest.raises(SystemExit):
        cli.run_on_ranks(comm, command)
    assert ended == [status]


def test_a_compressed_table_is_refused(tables, mpi):
    (tables / "t.csv.gz").write_bytes(gzip.compress((tables / "t.csv").read_bytes()))
    done = train(tables, "t.csv.gz", "--target", "kind", ranks=2)
    assert "rank 0 of 2: t.csv.gz: expected a table of which each rank" in done.stderr
    assert "unpack it first" in done.stderr


# ---- the program that the job scripts run -----------------------------------

JOBS = Path(__file__).parents[2] / "docs" / "jobs"


def test_the_program_of_the_job_scripts(tables, mpi):
    command = [mpiexec(), "-n", "2", sys.executable, str(JOBS / "train.py")]
    given = {"cwd": tables, "capture_output": True, "text": True, "timeout": 120}
    done = subprocess.run(command, check=True, **given)
    assert "20 epochs" in done.stdout
    net, _ = xpnn.load(tables / "model.safetensors")
    assert net.sizes == (6, 128, 64, 2)
    assert (tables / "run.safetensors").exists()


def test_the_job_scripts_can_be_read():
    subprocess.run(["bash", "-n", str(JOBS / "slurm.sh")], check=True)
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load((JOBS / "kubernetes.yaml").read_text(encoding="utf-8"))
    replicas = job["spec"]["mpiReplicaSpecs"]
    started = replicas["Worker"]["replicas"] * job["spec"]["slotsPerWorker"]
    (launcher,) = replicas["Launcher"]["template"]["spec"]["containers"]
    assert launcher["command"][:3] == ["mpiexec", "-n", str(started)]
