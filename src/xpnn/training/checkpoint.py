"""`Checkpoint`: the state of a training in a file, from which it goes on as if never stopped.

The file holds θ, the state of the optimiser, the epoch, the random state and the history, and
is replaced whole: whenever the process dies, one complete checkpoint is there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import index
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..exceptions import ArgumentError, ArgumentTypeError, FileFormatError
from ..files import container
from ..files.atomic import remove_leftovers
from ..files.lock import Lock
from ..validation.numbers import positive_int
from .history import SERIES
from .identity import Identity, differences
from .state import TrainingState

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

    def begin(
        self,
        lock: Lock,
        start: TrainingState,
        identity: Identity,
        restore: Callable[[TrainingState], None],
    ) -> None:
        """Call ``restore`` with the state in the file, if that is wanted and there is one.

        Nobody else may write it from now on, as long as ``lock`` is held. The file must be of the
        training with this identity, and its arrays have the shapes of those of ``start``.
        """
        path = Path(self.path)
        if path.is_dir():
            raise ArgumentError(f"checkpoint: {path} is a folder; name a file in it.")
        if path.exists() and not path.is_file():
            raise ArgumentError(f"checkpoint: {path} is a device or a pipe; name a file.")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"checkpoint: there is no folder {path.parent}; make it first.")
        lock.take(path)
        remove_leftovers(path)
        if not path.exists():
            return
        if not self.resume:
            raise ArgumentError(
                f"checkpoint: {path} exists already; pass resume=True to go on from it, or remove "
                "the file to start anew."
            )
        contents = container.read(path, (KIND,))
        content, tensors = contents.content, contents.tensors
        with container.naming(path):
            try:
                different = list(differences(Identity(content["run"], content, tensors), identity))
                if different:
                    raise ArgumentError(
                        f"checkpoint: {path} belongs to another training: {different[0]}. Use "
                        "another path, or remove the file to start anew."
                    )
                restore(from_file(content, tensors, start, identity))
            except ArgumentError:
                raise
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                raise FileFormatError(
                    f"damaged: it is no state of a training ({error})."
                ) from error

    def write(self, state: TrainingState, identity: Identity) -> None:
        """Replace the file by a state."""
        content, tensors = to_file(state)
        content |= {"run": identity.settings, **identity.origin}
        container.write(self.path, KIND, content, {**tensors, **identity.sample})


def check_checkpoint(checkpoint: Any) -> None:
    """Raise unless ``checkpoint`` is one, or None."""
    if not (checkpoint is None or isinstance(checkpoint, Checkpoint)):
        raise ArgumentTypeError(
            f"checkpoint: expected an xpnn.Checkpoint or None, found {checkpoint!r}; "
            "write xpnn.Checkpoint('run.safetensors', every=10)."
        )


def to_file(state: TrainingState) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a file holds of a state: plain values, and arrays."""
    order, rng = state.drawn
    tensors = {"order": np.asarray(order, dtype=np.int64)}
    tensors |= {f"carry{i}": a for i, a in enumerate(state.carry)}
    tensors |= {f"best{i}": a for i, a in enumerate(state.best or ())}
    tensors |= {name: np.asarray(values, np.float64) for name, values in state.series.items()}
    content = {
        "epoch": state.epochs,
        "best_epoch": state.best_epochs,
        "stopped": state.stopped,
        "stopping": [state.best_value, state.without_improvement],
        "rate": state.rate,
        "rng": _plain(rng),
    }
    return content, tensors


def from_file(
    content: dict[str, Any], tensors: dict[str, Any], start: TrainingState, identity: Identity
) -> TrainingState:
    """Return the state that a file holds; raise if its arrays are of other shapes than expected."""

    def carry(name: str) -> tuple[Any, ...]:
        found = tuple(tensors[f"{name}{i}"] for i in range(len(start.carry)))
        for a, expected in zip(found, start.carry, strict=True):
            container.expect(name, a.shape == expected.shape and a.dtype.kind == "f")
        return found

    order, rng, epochs = tensors["order"], content["rng"], index(content["epoch"])
    container.expect("order", np.array_equal(np.sort(order), np.arange(len(start.drawn[0]))))
    _check_random_state(rng)
    for name in SERIES:
        expected = 0 if name == "validation" and not identity.settings[name] else epochs
        container.expect(name, tensors[name].shape == (expected,))
    rate = content.get("rate")
    container.expect("rate", (rate is None) == (start.rate is None))
    best_value, without_improvement = content["stopping"]
    return TrainingState(
        carry("carry"),
        epochs,
        (order, rng),
        carry("best") if "best0" in tensors else None,
        index(content["best_epoch"]),
        {name: tensors[name].tolist() for name in SERIES},
        content["stopped"],
        float(best_value),
        index(without_improvement),
        rate,
    )


def _check_random_state(rng: Any) -> None:
    """Raise for positions beyond the numbers drawn in advance, where NumPy would read and crash."""
    if rng is not None:
        for name, holder, last in (("pos", rng["state"], 624), ("buffer_pos", rng, 4)):
            position = holder.get(name, 0)
            container.expect("rng", type(position) is int and 0 <= position <= last)


def _plain(value: Any) -> Any:
    """Return a random state with lists in place of its arrays."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value
