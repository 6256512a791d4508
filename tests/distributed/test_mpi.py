"""Training on several processes: the oracle is the same training in one process.

Each program of mpi_programs.py runs once for a number of ranks; many tests look at its results.
"""

import os
import re
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import xpnn
from tests.fakes.fake_ranks import on_ranks
from tests.helpers import mpiexec, unusable
from tests.programs import mpi_programs as programs
from tests.programs.launching import TIMEOUT, command, finish, launch, start
from xpnn.distributed import agreement
from xpnn.files import container

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs signals and fork")
SPECS = [spec for spec in ("numpy", "torch:cpu", "jax:cpu") if not unusable(spec, "float64")]


@pytest.fixture(scope="module")
def run(mpi, tmp_path_factory):
    """The function that returns what a program has returned on each of n ranks, run once."""

    @cache
    def job(n, name, *arguments):
        return launch(n, name, tmp_path_factory.mktemp(name), *arguments)

    return lambda *what: job(*what).returned


def trained(run, n, *key):
    """Return what a training of `mpi_programs.trainings` has left on each of n ranks."""
    return [results[key] for results in run(n, "trainings", ",".join(SPECS))]


@cache
def single(case, spec="numpy", **given):
    """Return what a single process learns."""
    return programs.train(case, spec, **given)


def distance(a, b):
    """Relative to b."""
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def assert_same(found, expected, rtol=1e-12):
    """Each rank has bit for bit the same, and what a single process has but for rounding."""
    for theta, history in found:
        assert np.array_equal(theta, found[0][0])
        assert (history.cost, history.validation) == (found[0][1].cost, found[0][1].validation)
        assert history.stopped == expected[1].stopped
        assert len(history.seconds) == len(history) == len(expected[1])
        np.testing.assert_allclose(history.cost, expected[1].cost, rtol)
        np.testing.assert_allclose(history.validation, expected[1].validation, rtol)
        assert history.learning_rate == expected[1].learning_rate
        assert distance(theta, expected[0]) <= rtol


# ---- the training of all is that of one ------------------------------------------------------


TRAININGS = [
    (spec, n, *key) for spec in SPECS for n in (1, 2, 3, 4) for key in programs.keys(spec, n)
]


@pytest.mark.parametrize(("spec", "n", "case", "share", "source"), TRAININGS)
def test_the_training_is_that_of_one_process(spec, n, case, share, source, run):
    """If a rank has a single example, most mini-batches have none of its."""
    found = trained(run, n, spec, case, share, source)
    assert len(found) == n
    assert len(found[0][1]) * (4 if "mini-batches" in case else 1) == 60  # steps
    assert_same([each[:2] for each in found], single(case, spec))
    if source == "file":
        reads = [each[2] for each in found]
        assert min(reads) >= 2 * 15  # X and Y in every epoch
        assert max(reads) > 2 * 15  # in pieces


BITWISE = [(spec, n) for spec in SPECS for n in (2, 3, 4) if programs.in_float32(spec, n)]


@pytest.mark.parametrize(("spec", "n"), BITWISE)
def test_all_ranks_are_the_same_bit_for_bit_after_every_epoch(spec, n, run):
    found = trained(run, n, spec, "float32")
    for epochs, thetas in enumerate(zip(*found, strict=True), 1):
        assert thetas[0].dtype == np.float32
        assert all(np.array_equal(theta, thetas[0]) for theta in thetas)
        expected = single(programs.FEW[0], spec, dtype="float32", hidden=100, epochs=epochs)[0]
        assert distance(thetas[0], expected) < 1e-5
        assert not any(np.array_equal(theta, thetas[0]) for theta in found[0][epochs:])


# ---- estimators ------------------------------------------------------------------------------


@cache
def single_model(kind):
    return programs.fitted(kind)


def assert_same_model(found, expected, rtol=1e-10):
    for each in found:
        assert np.array_equal(each["theta"], found[0]["theta"])
        assert each["classes"] == expected["classes"]
        assert each.keys() == expected.keys()
        for name in each.keys() & set(programs.CURVES):
            np.testing.assert_allclose(each[name], expected[name], rtol, err_msg=name)
        assert distance(each["theta"], expected["theta"]) <= rtol


@pytest.mark.parametrize("share", ["even", "last_has_one"])
@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("kind", programs.MODELS)
def test_a_model_is_that_of_one_process(kind, n, share, run):
    found = [results[kind, share] for results in run(n, "estimators")]
    expected = single_model(kind)
    assert_same_model(found, expected)
    assert found[0]["warnings"] == expected["warnings"]
    assert not any(each["warnings"] for each in found[1:])


def test_the_models_are_trained_as_they_are_said_to_be():
    """The adaptive rate is lowered, tol stops, the first ranks lack a class."""
    model, data = programs.MODELS["classifier, sgd adaptive, weights"]()
    model.fit(*data)
    assert model._optimizer.learning_rate < 0.5
    assert single_model("classifier, tol")["n_iter_"] < 200
    for n in (2, 3):
        assert len(set(programs.NAMES[: programs.M // n])) < 3


@pytest.mark.parametrize("kind", ["partial_fit", "warm_start"])
@pytest.mark.parametrize("n", [2, 3])
def test_a_model_in_parts(kind, n, run):
    found = [results["parts"][kind] for results in run(n, "estimators")]
    assert_same_model(found, programs.in_parts()[kind])


@pytest.mark.parametrize("kind", programs.RESUMED)
@pytest.mark.parametrize("n", [2, 3])
def test_a_resumed_model(kind, n, run):
    found = [results["resumed"][kind] for results in run(n, "estimators")]
    assert_same_model(found, single_model(kind))


@pytest.mark.parametrize(("name", "value"), [("solver", "'lbfgs'"), ("early_stopping", "True")])
def test_what_is_for_one_process_is_refused(name, value, run):
    for results in run(2, "estimators"):
        assert results["refused"][name] == (
            f"ArgumentError: communicator: expected another {name} than {value}, which is for a "
            "single process."
        )


def test_copies_of_a_model_with_a_communicator(run):
    for results in run(2, "estimators"):
        assert results["copies"] == {
            "same communicator": [True] * 4,
            "same model": [True] * 4,
            "loaded": True,
        }


# ---- what must agree -------------------------------------------------------------------------

DIFFERENT = [
    *(("fit", name) for name in [*programs.OTHERS, "version"]),
    *(("classifier, tol", name) for name in programs.OTHER_MODELS),
    *(("logistic, sparse, weights", name) for name in programs.OTHER_LOGISTIC),
]


@pytest.mark.parametrize(("kind", "name"), DIFFERENT)
def test_every_rank_is_told_what_differs(kind, name, run):
    messages = [results["errors"][kind, name] for results in run(3, "agreement")]
    assert len(set(messages)) == 1
    pattern = (
        rf"ArgumentError: communicator: expected the same {name.strip()} on every rank, found "
        r"(.+) on rank 0 and (.+) on rank 1\."
    )
    found = re.fullmatch(pattern, messages[0])
    assert found, messages[0]
    assert found[1] != found[2]


def test_numbers_of_numpy_are_compared_as_numbers():
    mine, theirs = (
        {"max_iter": np.int64(n), "sizes": (n, np.float32(0.5)), "alpha": 0.5} for n in (5, 6)
    )
    plain = {"max_iter": 5, "sizes": [5, 0.5], "alpha": np.float32(0.5)}

    def compare(communicator, *of_ranks):
        agreement.compare(communicator, **of_ranks[communicator.rank])

    on_ranks(2, lambda communicator: compare(communicator, mine, plain))
    with pytest.raises(xpnn.ArgumentError, match=r"the same max_iter .* found 5 on rank 0 and 6"):
        on_ranks(2, lambda communicator: compare(communicator, mine, theirs))


def test_without_a_seed_the_order_of_rank_0_is_that_of_all(run):
    (first, second), *others = (results["no seed"] for results in run(3, "agreement"))
    assert not np.array_equal(first, second)
    for other in others:
        assert np.array_equal(other[0], first)
        assert np.array_equal(other[1], second)


@pytest.mark.parametrize(
    ("name", "given"),
    [("generators", {"rng": 8}), ("starts", {"start": 8})],
)
def test_what_rank_0_starts_from_all_do(name, given, run):
    expected = programs.train(**given)[0]
    thetas = [results[name] for results in run(3, "agreement")]
    assert distance(thetas[0], expected) <= 1e-12
    assert all(np.array_equal(theta, thetas[0]) for theta in thetas)


def test_a_model_without_a_random_state(run):
    models = [results["model"] for results in run(3, "agreement")]
    assert len(models[0]["loss_curve_"]) > 1
    for model in models:
        assert np.array_equal(model["theta"], models[0]["theta"])
        assert model["loss_curve_"] == models[0]["loss_curve_"]


# ---- what rank 0 does for all ----------------------------------------------------------------


def watched(run, name):
    return [results[name] for results in run(2, "watching")]


def test_the_callbacks_of_rank_0_are_called_and_stop_all(run):
    assert watched(run, "called") == [[1, 2, 3], []]
    expected = programs.train(callbacks=[programs.stops_at(3, [])])
    assert expected[1].stopped == "callback"
    assert_same(watched(run, "callback"), expected)


def test_only_rank_0_has_a_progress_bar(run):
    first, second = watched(run, "bar")
    assert re.search(r"5/5 .*cost=", first)
    assert second == ""


def test_only_rank_0_writes_checkpoints(mpi, tmp_path):
    assert launch(2, "watching", tmp_path).returned
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["0.safetensors"]


@pytest.mark.parametrize("case", programs.STOPPING)
def test_tol_stops_all_at_the_same_epoch(case, run):
    """By the score of rank 0: the validation data of the others are of no account."""
    expected = programs.train(**programs.STOPPING[case])
    assert expected[1].stopped == "tol"
    assert_same(watched(run, case), expected)
    if "validation" in programs.STOPPING[case]:
        best = int(np.argmax(expected[1].validation)) + 1
        assert best < len(expected[1])
        assert np.array_equal(programs.train(epochs=best)[0], expected[0])


@pytest.mark.parametrize("share", programs.SHARES)
def test_a_training_that_diverges_does_so_on_every_rank(share, run):
    for results in watched(run, ("diverged", share)):
        for told in results:
            assert told.startswith("DivergenceError: training diverged in epoch ")
    epochs = [re.findall(r"epoch \d+, step \d+", str(r)) for r in watched(run, ("diverged", share))]
    assert epochs[0] == epochs[1]


def test_ctrl_c_on_one_rank_stops_all_at_the_same_step(run):
    found = watched(run, "interrupted")
    assert [steps for *_, steps in found] == [10, 10]
    expected, history = programs.train(epochs=2)  # the tenth step was in the third epoch
    for theta, interrupted, _ in found:
        assert interrupted.stopped == "interrupted"
        assert len(interrupted) == 2
        np.testing.assert_allclose(interrupted.cost, history.cost, 1e-12)
        assert distance(theta, expected) <= 1e-12
    assert_same(watched(run, "after"), single(programs.FEW[0]))


# ---- checkpoints -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(mpi, tmp_path_factory):
    """Checkpoints of 2 ranks, after 5 epochs."""
    files = tmp_path_factory.mktemp("files")
    assert launch(2, "write_checkpoints", tmp_path_factory.mktemp("written"), files).returned
    return files


def copied(files, folder):
    for path in files.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@cache
def uninterrupted(case):
    return programs.train(case, **programs.KEPT[case])


def test_two_ranks_have_written_what_one_process_writes(written, tmp_path):
    programs.write_checkpoints(None, tmp_path, tmp_path)
    assert len(list(written.iterdir())) == len(programs.KEPT)
    for path in tmp_path.iterdir():
        ours, theirs = (container.read(f, ("checkpoint",)) for f in (path, written / path.name))
        assert theirs.content["epoch"] == programs.STOPPED
        assert theirs.content["run"] == ours.content["run"]
        assert theirs.tensors.keys() == ours.tensors.keys()
        for name in theirs.tensors.keys() - {"seconds"}:
            np.testing.assert_allclose(theirs.tensors[name], ours.tensors[name], 1e-10, 1e-14)


def test_three_ranks_go_on_from_two(written, tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    found = launch(3, "resume_checkpoints", tmp_path, copied(written, files)).returned
    for case in programs.KEPT:
        assert_same([results[case] for results in found], uninterrupted(case))


def test_one_process_goes_on_from_two_ranks(written, tmp_path):
    found = programs.resume_checkpoints(None, tmp_path, copied(written, tmp_path))
    for case in programs.KEPT:
        assert_same([found[case]], uninterrupted(case))


def test_two_ranks_go_on_from_one_process(mpi, tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    programs.write_checkpoints(None, tmp_path, files)
    found = launch(2, "resume_checkpoints", tmp_path, files).returned
    for case in programs.KEPT:
        assert_same([results[case] for results in found], uninterrupted(case))


def test_a_checkpoint_of_other_data_is_refused(written, tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    job = launch(2, "resume_with_other_data", tmp_path, copied(written, files))
    assert job.status != 0
    assert "ArgumentError: checkpoint: " in job.err
    assert "belongs to another training: it was made with another X" in job.err


# ---- faults ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("where", "rank"), [("outside", 1), ("callback", 0)])
def test_an_error_on_one_rank_ends_all(where, rank, mpi, tmp_path):
    job = launch(2, "raises", tmp_path, where)
    seconds = time.time() - float((tmp_path / "when").read_text(encoding="ascii"))
    assert job.status != 0
    assert seconds < 5.0
    assert f"rank {rank} of 2" in job.err
    assert re.search(r"Traceback(.*\n)+ZeroDivisionError: on purpose\n", job.err)


def wait_for(process, line):
    """Read what a process says up to a line."""
    said = []
    for found in process.stdout:
        said.append(found)
        if found.startswith(line):
            return said
    pytest.fail(f"ended before it said {line!r}: {process.stderr.read()}")


@pytest.fixture
def endless(mpi, tmp_path):
    """A training of 2 ranks that goes on, and the lines that it has said."""
    process = start(command(2, "endless", tmp_path))
    try:
        yield process, wait_for(process, "epoch 5")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.communicate()


def test_a_rank_that_is_killed_ends_all(endless, tmp_path):
    process, said = endless
    pids = dict(map(int, line.split()[1:]) for line in said if line.startswith("pid"))
    began = time.monotonic()
    os.kill(pids[1], signal.SIGKILL)
    job = finish(process, tmp_path)
    assert job.status != 0
    assert time.monotonic() - began < 5.0
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def assert_interrupted(job):
    """Both ranks came to an end; the training goes on from the checkpoint, in one process."""
    (theta, history), (other, other_history) = job.returned
    assert np.array_equal(theta, other)
    assert history.cost == other_history.cost
    assert {history.stopped, other_history.stopped} == {"interrupted"}
    path, done = job.folder / "run.safetensors", len(history)
    kept = container.read(path, ("checkpoint",)).content["epoch"]
    assert done >= 4
    assert kept in (done, done - done % 3)
    expected, _ = programs.train(epochs=done)
    assert distance(theta, expected) < 1e-9
    checkpoint = xpnn.Checkpoint(path, 10**9, resume=True)
    resumed, _ = programs.train(epochs=done + 1, checkpoint=checkpoint)
    assert distance(resumed, programs.train(epochs=done + 1)[0]) < 1e-9


def test_ctrl_c_ends_the_training_of_all(endless, tmp_path):
    process, _ = endless
    process.send_signal(signal.SIGINT)
    assert_interrupted(finish(process, tmp_path, 30.0))


def test_ctrl_c_on_a_terminal(mpi, tmp_path):
    words = [sys.executable, programs.__file__, "on_a_terminal"]
    job = finish(start(words + command(2, "endless", tmp_path)), tmp_path, 60.0)
    assert_interrupted(job)
    assert "Traceback" not in job.out


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells private memory")
def test_no_rank_holds_its_share_of_a_file(mpi, tmp_path):
    program = Path(programs.__file__).with_name("large_data.py")
    words = [mpiexec(), "-n", "2", sys.executable, program, "1", tmp_path]  # GiB, where
    done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ranks_that_no_longer_agree_are_stopped(mpi, tmp_path):
    job = launch(2, "other_costs", tmp_path)
    assert job.status != 0
    assert re.search(
        r"XpnnError: communicator: the ranks no longer agree: after epoch 1 the parameters of "
        r"rank 1 are not those of rank 0",
        job.err,
    )


# ---- moments that are easily forgotten ---------------------------------------------------------


def test_a_callback_that_raises_keyboard_interrupt_stops_all(mpi, tmp_path):
    for _, history in launch(2, "callback_interrupts", tmp_path).returned:
        assert history.stopped == "interrupted"
        assert len(history) == 3


def test_one_ctrl_c_that_comes_at_different_times(mpi, tmp_path):
    for _, history in launch(2, "signals_at_different_times", tmp_path).returned:
        assert history.stopped == "interrupted"
        assert len(history) == 2


def test_ctrl_c_before_the_first_step_reaches_all(mpi, tmp_path):
    """The sum in which it comes raises it on every rank, and they go on."""
    for told in launch(2, "interrupted_before_the_first_step", tmp_path).returned:
        assert told == [(n, n, False) for n in (1, 2, 3, 12)]


def test_ctrl_c_after_the_last_step_keeps_what_there_is(mpi, tmp_path):
    found = launch(2, "signal_after_the_last_step", tmp_path).returned
    for theta, history in found:
        assert distance(theta, single(programs.FEW[0])[0]) < 1e-12
        assert history.stopped == "interrupted"
    assert (tmp_path / "run.safetensors").exists()


def test_what_one_rank_finds_wrong_is_raised_on_all(mpi, tmp_path):
    for told in launch(2, "wrong_data_on_one_rank", tmp_path).returned:
        assert "X: expected finite numbers" in told["X"]
        assert told["checkpoint"].startswith(("ArgumentError", "XpnnError: rank 0: ArgumentError"))
        assert "exists already" in told["checkpoint"]
        assert "expected the same sample_weight" in told["weights of a model"]
        assert "expected the same classes" in told["classes"]
        for kind in programs.MODELS:
            assert "NaN" in told["X of a model", kind]


def test_ctrl_c_between_two_epochs_writes_the_checkpoint(mpi, tmp_path):
    for _, history in launch(2, "interrupted_between_epochs", tmp_path).returned:
        assert len(history) == 3
    contents = container.read(tmp_path / "run.safetensors", ("checkpoint",))
    assert contents.content["epoch"] == 3


def test_a_warm_start_where_a_rank_lacks_a_class(mpi, tmp_path):
    found = launch(2, "class_is_missing_at_a_warm_start", tmp_path).returned
    assert_same_model(found, programs.class_is_missing_at_a_warm_start(None, tmp_path))


# ---- what one rank has alone -----------------------------------------------------------------

ALONE_IN = {  # the rank, and what it raises
    "callback": (0, "RuntimeError: of it"),
    "unusual": (0, "Unusual: of it"),
    "score": (0, "ZeroDivisionError: of the score"),
    "bar": (0, "BrokenPipeError: of the bar"),
    "bar at first": (0, "BrokenPipeError: of the bar"),
    "bar later": (0, "BrokenPipeError: of the bar"),
    "checkpoint": (0, "OSError: [Errno 28] No space left on device"),
    "last checkpoint": (0, "OSError: [Errno 28] No space left on device"),
    "checkpoint after Ctrl-C": (0, "OSError: [Errno 28] No space left on device"),
    "step": (1, "ArithmeticError: of the activation"),
    "argument": (1, "ArgumentError: epochs: expected a positive integer, found -1."),
    "model": (0, "RuntimeError: of it"),
    "checkpoint of a model": (0, "OSError: [Errno 28] No space left on device"),
    "classes of a model": (1, "ValueError: classes must be passed on the first call"),
    "parameter of a model": (1, "InvalidParameterError: The 'max_iter' parameter"),
}


@pytest.mark.parametrize("where", ALONE_IN)
@pytest.mark.parametrize("n", [2, 3])
def test_what_one_rank_raises_all_raise_and_go_on_together(n, where, run):
    culprit, expected = ALONE_IN[where]
    results = run(n, "raised_on_all")
    for rank, found in enumerate(results):
        prefix = "" if rank == culprit else f"XpnnError: rank {culprit}: "
        assert found[where].startswith(prefix + expected)
        assert np.array_equal(found[where, "after"], results[0][where, "after"])
        assert distance(found[where, "after"], single(programs.FEW[0], epochs=3)[0]) < 1e-12


def test_an_exit_in_a_callback_is_that_of_all(mpi, tmp_path, run):
    for found in run(2, "raised_on_all"):
        assert found["exit"] == "SystemExit: 3"
    job = launch(2, "exits_in_a_callback", tmp_path)
    assert (job.status, job.err) == (3, "")


def test_exchanges_of_an_epoch(run):
    """A sum a step, and one more exchange; one for a validation score, none for a checkpoint."""
    for found in run(2, "raised_on_all"):
        assert found["exchanges"] == {
            "plain": [4, 1],
            "callbacks": [4, 1],
            "checkpoint": [4, 1],
            "validation": [4, 2],
        }


def test_a_rank_that_ends_ends_those_that_would_wait_for_it(mpi, tmp_path):
    job = launch(3, "one_ends", tmp_path, "before")
    assert job.status != 0
    assert re.search(r"^xpnn: rank 0 of 3, on \S+: rank 1 came to an end, ", job.err, re.MULTILINE)
    assert job.err.count("xpnn: ") == 1


def test_a_process_that_ends_while_another_thread_trains(mpi, tmp_path):
    job = launch(2, "one_ends", tmp_path, "meanwhile")
    assert job.status != 0
    assert "this process ends in the midst of a training." in job.err


def test_an_end_in_good_order(mpi, tmp_path):
    job = launch(2, "one_ends", tmp_path, "afterwards")
    assert (job.status, job.err) == (0, "")


def test_a_rank_that_fails_alone_ends_all(mpi, tmp_path):
    job = launch(2, "fails_alone", tmp_path)
    assert job.status != 0
    assert re.search(r"^xpnn: rank 1 of 2, on .*:\nTraceback", job.err, re.MULTILINE)
    assert "MemoryError: of rank 1" in job.err
    assert "went on" not in job.out


def test_ranks_that_all_fail_go_on(mpi, tmp_path):
    for told, theta in launch(2, "all_fail", tmp_path).returned:
        assert told == "MemoryError: of all"
        assert distance(theta, single(programs.FEW[0])[0]) < 1e-12


@needs_fork
def test_a_rank_that_is_stopped_is_named_when_time_is_up(mpi, tmp_path):
    job = launch(3, "stops", tmp_path, XPNN_TIMEOUT="2")
    assert job.status != 0
    assert re.search(
        r"^xpnn: rank 0 of 3, on \S+: rank 2 did not answer within 2 s\.$", job.err, re.MULTILINE
    )
    assert job.err.count("xpnn: ") == 1


def test_a_limit_changes_no_bit(run, mpi, tmp_path):
    limited = launch(2, "watching", tmp_path, XPNN_TIMEOUT="100").returned
    for found, expected in zip(limited, run(2, "watching"), strict=True):
        for name in ("callback", "score", "cost", "interrupted", "after"):
            assert np.array_equal(found[name][0], expected[name][0])


# ---- signals -----------------------------------------------------------------------------------


@needs_fork
def test_sigterm_ends_the_training_of_all(mpi, tmp_path):
    """mpiexec passes it on."""
    process = start(command(2, "ends_by_sigterm", tmp_path))
    wait_for(process, "epoch 5")
    process.send_signal(signal.SIGTERM)
    assert_interrupted(finish(process, tmp_path, 60.0))
