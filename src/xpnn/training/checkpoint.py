"""`Checkpoint`: the state of a training in a file, from which it goes on as if never stopped.

The file holds θ, the state of the optimiser, the epoch, the random state and the history, and
is replaced whole: whenever the process dies, one complete checkpoint is there.
"""

import sys
from dataclasses import dataclass
from hashlib import sha256
from math import isclose
from operator import index
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.optimizers import Optimizer
from ..core.schedules import Decay
from ..exceptions import ArgumentError, ArgumentTypeError, FileFormatError
from ..files import container
from ..files.atomic import remove_leftovers
from ..validation.numbers import positive_int
from .functions import own_functions
from .history import SERIES
from .stopping import AdaptiveRate

if TYPE_CHECKING:
    from .loop import Loop

KIND = "checkpoint"


@dataclass(frozen=True)
class Checkpoint:
    """Where and how often the state of a training is written down, and whether to go on from it.

    Parameters
    ----------
    path : str or path
        A ``.safetensors`` file.
    every : int
        Epochs from one checkpoint to the next; another is written at the end, and after Ctrl-C,
        SIGTERM or SIGHUP.
    resume : bool
        Go on from the file if there is one, else start anew: so one and the same program is
        run again after every interruption. False refuses to overwrite a file. A job that was
        killed on one machine and starts again on another is refused until its lock file, which the
        error names with the host and the time, is removed by hand.

    Notes
    -----
    A resumed training ends with the parameters of one that was never stopped; on NumPy bit for
    bit, given the same data, machine, BLAS and threads. What differs from the training in the
    file is refused: the network, the optimiser, the seed, the stopping rule, X, Y and the weights
    (by a sample of at most 64 × 64 of their numbers), functions of your own (by their code, as far
    as it tells) and the parameters that `fit` starts from (unless ``rng=None``: nobody can draw
    those again). The validation data are not looked at. ``epochs`` or ``max_iter`` may be raised,
    and the backend may be another (of the same dtype). A callback that has stopped a training does
    not stop it for good: the next run goes on.

    One file belongs to one training: not to a grid search or to cross-validation. While it runs,
    others are refused, by a hidden lock file beside it. A killed process leaves that file behind.
    The next training on the same machine takes it over; another machine cannot.

    Examples
    --------
    >>> import tempfile, xpnn
    >>> X, Y = [[0, 0, 1, 1], [0, 1, 0, 1]], [[0, 1, 1, 0]]
    >>> net = xpnn.Network([2, 4, 1], hidden="tanh", output="sigmoid")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = xpnn.Checkpoint(f"{folder}/xor.safetensors", every=10, resume=True)
    ...     _ = xpnn.fit(net, net.init(rng=0), X, Y, epochs=30, checkpoint=checkpoint)
    ...     _, history = xpnn.fit(net, net.init(rng=0), X, Y, epochs=40, checkpoint=checkpoint)
    >>> len(history)  # 30 of them read from the file
    40
    """

    path: str | PathLike[str]
    every: int = 1
    resume: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.path, str | PathLike):
            raise ArgumentTypeError(
                f"checkpoint: expected the path of a file, such as 'run.safetensors', "
                f"found {self.path!r}."
            )
        positive_int("every", self.every)
        if not isinstance(self.resume, bool):
            raise ArgumentTypeError(f"resume: expected True or False, found {self.resume!r}.")

    def epochs_until(self, epoch: int) -> int:
        """Number of epochs from ``epoch`` to the next checkpoint."""
        return self.every - epoch % self.every

    def is_due(self, epoch: int) -> bool:
        """Whether the state after so many epochs is written down."""
        return epoch % self.every == 0

    def begin(self, loop: "Loop") -> None:
        """Go on from the file, if that is wanted and there is one.

        Nobody else may write it from now on, as long as ``loop.lock`` is held.
        """
        path = Path(self.path)
        if path.is_dir():
            raise ArgumentError(f"checkpoint: {path} is a folder; name a file in it.")
        if path.exists() and not path.is_file():
            raise ArgumentError(f"checkpoint: {path} is a device or a pipe; name a file.")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"checkpoint: there is no folder {path.parent}; make it first.")
        loop.lock.take(path)
        remove_leftovers(path)
        loop.origin = origin(loop)
        if not path.exists():
            return
        if not self.resume:
            raise ArgumentError(
                f"checkpoint: {path} exists already; pass resume=True to go on from it, or remove "
                "the file to start anew."
            )
        contents = container.read(path, (KIND,))
        with container.naming(path):
            try:
                _compare(loop, contents.content, contents.tensors, path)
                restore(loop, contents.content, contents.tensors)
            except ArgumentError:
                raise
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                raise FileFormatError(
                    f"damaged: it is no state of a training ({error})."
                ) from error

    def write(self, loop: "Loop") -> None:
        """Replace the file by the present state."""
        content, tensors = state(loop)
        container.write(self.path, KIND, content, {**tensors, **loop.trainer.sample})


def check_checkpoint(checkpoint: Any) -> None:
    """Raise unless ``checkpoint`` is one, or None."""
    if not (checkpoint is None or isinstance(checkpoint, Checkpoint)):
        raise ArgumentTypeError(
            f"checkpoint: expected an xpnn.Checkpoint or None, found {checkpoint!r}; "
            "write xpnn.Checkpoint('run.safetensors', every=10)."
        )


def origin(loop: "Loop") -> dict[str, Any]:
    """Return digests of the parameters to start from and of functions that are not the library's.

    Files of earlier versions hold none. Another version of Python compiles other code.
    """
    theta = loop.trainer.backend.to_numpy(loop.theta)
    theta = theta.astype(theta.dtype.newbyteorder("<"))
    return {
        "start": sha256(theta.tobytes()).hexdigest() if loop.given else None,
        "own": own_functions(loop.trainer.net, loop.trainer.optimizer),
        "python": sys.implementation.cache_tag,
    }


def _run(loop: "Loop") -> dict[str, Any]:
    """Return what must be the same in a run that goes on."""
    trainer = loop.trainer
    _, rng = loop.shuffle.state
    drawn_by = rng and [type(loop.shuffle.rng).__name__, rng["bit_generator"]]
    stopping = loop.stopping
    return {
        "sizes": list(trainer.net.sizes),
        "activations": [g.name for g in trainer.net.activations],
        "cost": trainer.net.loss.name,
        "optimizer": describe(trainer.optimizer),
        "l2 (alpha)": trainer.l2,
        "examples": trainer.plan.m,
        "batch_size": trainer.plan.size,
        "dtype": trainer.backend.dtype_name,
        "shuffle (rng)": drawn_by,
        "rng (random_state)": loop.shuffle.seed,
        "tol, n_iter_no_change": [stopping.tol, stopping.patience] if stopping.wanted else None,
        "validation": loop.score is not None,
    }


def describe(optimizer: Optimizer) -> list[Any]:
    """Return what tells an optimiser from others, as plain values."""
    rate: Any = optimizer.learning_rate
    if callable(rate):
        rate = repr(rate) if isinstance(rate, Decay | AdaptiveRate) else type(rate).__name__
    return [optimizer.name, rate, *optimizer.hyperparameters]


def _compare(loop: "Loop", content: dict[str, Any], tensors: dict[str, Any], path: Path) -> None:
    """Raise unless the file is of this training."""
    different = [
        f"there {_word(name)} is {content['run'].get(name)!r}, here {value!r}"
        for name, value in _run(loop).items()
        if not _same(content["run"].get(name), value)
    ]
    different += [
        f"it was made with another {name}"
        for name, here in loop.trainer.sample.items()
        if not _same_data(tensors.get(name), here, exactly=name != "X")
    ]
    different += _other_origin(content, loop.origin)
    if different:
        raise ArgumentError(
            f"checkpoint: {path} belongs to another training: {different[0]}. Use another path, or "
            "remove the file to start anew."
        )


def _word(key: str) -> str:
    """Return a key of the file as messages say it: a file calls the loss cost."""
    return "loss" + key.removeprefix("cost") if key.startswith("cost") else key


def _other_origin(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """Return the differences between the `origin` in a file and that of this training."""
    same_python = there.get("python") == here["python"]
    theirs, own = there.get("own", here["own"]), here["own"]
    different = [
        f"its {_word(name)} is another function"
        for name in {**own, **theirs}
        if (theirs.get(name) is None) != (own.get(name) is None)
        or (same_python and theirs[name] != own[name])
    ]
    starts = {there.get("start"), here["start"]}
    if len(starts - {None}) > 1:
        different.append(
            "it was started from other parameters; pass the same again, such as net.init(rng=0): "
            "the trained ones are in the file"
        )
    return different


def _same_data(found: Any, here: Any, *, exactly: bool) -> bool:
    """Whether two samples agree; X may have been taken from its mean on another backend."""
    if found is None or found.shape != here.shape:
        return False
    scale = np.abs(here).max()
    return bool(np.allclose(found, here, rtol=1e-4, atol=0.0 if exactly else 1e-4 * scale))


def _same(found: Any, here: Any) -> bool:
    if isinstance(found, list) and isinstance(here, list) and len(found) == len(here):
        return all(map(_same, found, here))
    if isinstance(found, float) and isinstance(here, float):
        return isclose(found, here, rel_tol=1e-5)
    return bool(found == here)


def state(loop: "Loop") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return all that decides how a training goes on, as plain values and as host arrays."""
    backend = loop.trainer.backend
    carry, epoch, _ = loop.done
    best, best_epoch, _ = loop.best
    order, rng = loop.done.drawn
    tensors = {"order": np.asarray(order, dtype=np.int64)}
    tensors |= {f"carry{i}": backend.to_numpy(a) for i, a in enumerate(carry)}
    if loop.score is not None and loop.stopping.wanted and best is not carry:
        tensors |= {f"best{i}": backend.to_numpy(a) for i, a in enumerate(best)}
    tensors |= {name: np.asarray(getattr(loop.history, name), dtype=np.float64) for name in SERIES}
    content = {
        "run": _run(loop),
        "epoch": epoch,
        "best_epoch": best_epoch,
        "stopped": loop.history.stopped == "tol",
        "stopping": [loop.stopping.best, loop.stopping.without_improvement],
        "rate": None if loop.adaptive is None else loop.adaptive.alpha,
        "rng": _plain(rng),
        **loop.origin,
    }
    return content, tensors


def restore(loop: "Loop", content: dict[str, Any], tensors: dict[str, Any]) -> None:
    """Put a training into the state that `state` has told of; raise if it is of another kind."""
    backend = loop.trainer.backend
    start, *_ = loop.done

    def moved(name: str) -> tuple[Any, ...]:
        found = [tensors[f"{name}{i}"] for i in range(len(start))]
        for a, old in zip(found, start, strict=True):
            container.expect(name, a.shape == tuple(old.shape) and a.dtype.kind == "f")
        return tuple(backend.asarray(a, backend.dtype) for a in found)

    order = tensors["order"]
    container.expect("order", np.array_equal(np.sort(order), np.arange(loop.trainer.plan.m)))
    _check_random_state(content["rng"])
    loop.shuffle.state = order, content["rng"]
    epochs = index(content["epoch"])
    loop.done = loop.best = loop.done._replace(
        carry=moved("carry"), epochs=epochs, drawn=loop.shuffle.state
    )
    loop.judged = epochs
    if "best0" in tensors:
        best_epoch = index(content["best_epoch"])
        loop.best = loop.done._replace(carry=moved("best"), epochs=best_epoch)
    series = {name: tensors[name] for name in SERIES}
    if loop.score is None:
        container.expect("validation", series.pop("validation").shape == (0,))
    for name, a in series.items():
        container.expect(name, a.shape == (epochs,))
        setattr(loop.history, name, a.tolist())
    loop.history.stopped = "tol" if content["stopped"] else "epochs"
    best, without_improvement = content["stopping"]
    loop.stopping.best, loop.stopping.without_improvement = float(best), index(without_improvement)
    if loop.adaptive is not None:
        loop.adaptive.alpha = content["rate"]


def _check_random_state(rng: Any) -> None:
    """Raise for positions beyond the numbers drawn in advance, where NumPy would read and crash."""
    if rng is not None:
        for name, place, last in (("pos", rng["state"], 624), ("buffer_pos", rng, 4)):
            position = place.get(name, 0)
            container.expect("rng", type(position) is int and 0 <= position <= last)


def _plain(value: Any) -> Any:
    """Return a random state with lists in place of its arrays."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value
