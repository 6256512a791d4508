"""`fit`: epochs of mini-batches, watched from the host."""

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from .._backends.base import Backend
from .._typing import Array, Rng
from ..core import optimizers
from ..core.optimizers import Optimizer
from ..core.parameters import Params
from ..distributed.agreement import compare
from ..distributed.processes import Communicator, active_comm
from ..exceptions import ArgumentTypeError
from ..network import Network
from ..rng import host_rng
from ..validation.columns import check_examples, check_params
from ..validation.numbers import at_least_0, positive_int
from .bar import progress_bar
from .batches import Shuffle
from .checkpoint import Checkpoint, check_checkpoint
from .functions import describe
from .history import Callback, History
from .loop import Loop, Watch, interruptible, train
from .step import joining
from .stopping import Stopping
from .streaming import stays_on_host
from .trainer import Trainer, TrainingData


def fit(
    net: Network,
    params: Params,
    X: Any,
    Y: Any,
    *,
    optimizer: Optimizer | None = None,
    epochs: int = 20,
    batch_size: int | None = 128,
    l2: float = 0.0,
    sample_weight: Any = None,
    rng: Rng = 0,
    validation: tuple[Any, Any] | None = None,
    tol: float | None = None,
    n_iter_no_change: int = 10,
    callbacks: Sequence[Callback] = (),
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
    communicator: Communicator | None = None,
) -> tuple[Params, History]:
    """Train: minimise the cost over mini-batches, and return new parameters.

    Parameters
    ----------
    net : Network
    params : tuple of Layer
        Where to start. They decide library, device and dtype; they are not altered.
    X : array_like, shape (n_x, m)
        One example a column. Host data are cast and moved once; but a memory-mapped file, or
        what needs more than half of the device's free memory, stays where it is, and its
        mini-batches are cast and moved as they come.
    Y : array_like, shape (n_y, m), or integer labels, shape (1, m), for softmax
    optimizer : Optimizer
        One of `xpnn.optimizers`; default ``adam(1e-3)``.
    epochs : int
        Passes over the data.
    batch_size : int or None
        Examples a step; None, or m and more, for the full batch. The last mini-batch of
        an epoch may be smaller; the order is drawn anew for every epoch.
    l2 : float
        λ of the penalty λ/(2m) Σ ‖W[l]‖², m the size of the mini-batch.
    sample_weight : array_like, shape (1, m), optional
    rng : int, numpy Generator or RandomState, or None
        For the order of the examples, drawn on the host: the same on every backend.
    validation : tuple (X, Y), optional
        Scored after each epoch with ``net.score``.
    tol : float, optional
        Stop when the cost, or the validation score if there is validation data, has
        not improved by ``tol`` on its best for more than ``n_iter_no_change`` epochs.
        With validation data the parameters of the best epoch are returned.
    n_iter_no_change : int
        See ``tol``.
    callbacks : sequence of callable (Report) -> object
        Called after each epoch; one that returns True ends the training.
    progress : bool, optional
        A progress bar with the running cost; default: on a terminal only.
    checkpoint : Checkpoint, optional
        Where to write the state down every so many epochs, to go on from it another time.
    communicator : Communicator, optional
        `xpnn.distributed.communicator`: X, Y and the weights are this process's shard, and the
        training that of all shards together. Callbacks, progress bar, checkpoint and
        validation are those of rank 0; what it starts from, all do.

    Returns
    -------
    params : tuple of Layer
    history : History

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For bad arguments: shapes, values, libraries, devices.
    DivergenceError
        If numbers stop being finite; names the epoch and the layer.

    Notes
    -----
    Ctrl-C ends training and returns what the last complete epoch had, with
    ``history.stopped == "interrupted"``. With a ``checkpoint``, SIGTERM and SIGHUP (a scheduler's
    time limit, a closed connection) end the process after the last complete epoch has been written
    down; in the main thread, and unless the program handles them itself. Short epochs run up to
    1024 at once, as many as take 50 ms; unless something looks at each: a progress bar, a callback,
    validation.

    Examples
    --------
    XOR, which no network without a hidden layer learns:

    >>> import xpnn
    >>> X, Y = [[0, 0, 1, 1], [0, 1, 0, 1]], [[0, 1, 1, 0]]
    >>> net = xpnn.Network([2, 4, 1], hidden="tanh", output="sigmoid")
    >>> params, history = xpnn.fit(net, net.init(rng=0), X, Y,
    ...                            optimizer=xpnn.optimizers.adam(0.1), epochs=200)
    >>> net.predict(params, X)
    array([[0, 1, 1, 0]])
    """
    comm = active_comm(communicator)
    with comm.on_all():
        optimizer = optimizers.adam() if optimizer is None else optimizer
        _check_types(net, optimizer)
        check_callbacks(callbacks)
        epochs = positive_int("epochs", epochs)
        batch_size = None if batch_size is None else positive_int("batch_size", batch_size)
        check_checkpoint(checkpoint)
        stopping = Stopping(tol, n_iter_no_change, higher_is_better=validation is not None)
        layers, backend = check_params(params, net.sizes)
        l2 = at_least_0("l2", l2)
    if comm.size > 1:
        facts = {"features": np.shape(X)[:1]} | _facts(net, backend, optimizer)
        facts |= {"seed": rng, "epochs": epochs, "batch_size": batch_size}
        facts |= {"l2": l2, "tol": tol, "n_iter_no_change": n_iter_no_change}
        facts |= {"sample_weight": sample_weight is not None, "validation": validation is not None}
        compare(comm, checkpoint=checkpoint is not None, **facts)

    with backend.restoring_settings(), backend.current(), backend.no_grad(), comm.training():
        streamed = stays_on_host(X, batch_size, backend, comm)
        with comm.on_all():
            generator = host_rng(rng)
            X, Y, s = check_examples(net, X, Y, sample_weight, backend, stays=streamed)
            if validation is not None and comm.is_root:
                validation = _check_validation(validation, net, backend)
        examples = TrainingData(X, Y, s, columns=True, streamed=streamed)
        trainer = Trainer(net, backend, optimizer, l2, examples, batch_size, comm=comm)
        shuffle = Shuffle(trainer.plan.m, None if trainer.plan.full else generator, seed=rng)
        with comm.on_all():
            shown = _progress_bar(epochs, progress if comm.is_root else False)
        with shown as bar:
            score = None if validation is None else _scoring(validation, net, comm)
            loop = Loop(
                trainer,
                trainer.start(joining(backend)(layers)),
                shuffle,
                stopping,
                Watch(score, callbacks, bar),
                checkpoint=checkpoint,
                given=rng is not None,
            )
            with interruptible(comm, checkpoint):
                train(loop, lambda: loop.run(epochs))
        done = loop.best if validation is not None and stopping.wanted else loop.done
        trainer.check_finite(done.carry, done.epochs)
        return trainer.params(done.carry), loop.history


def _check_types(net: Any, optimizer: Any) -> None:
    if not isinstance(net, Network):
        raise ArgumentTypeError(f"net: expected a Network, found {type(net).__name__}.")
    if not isinstance(optimizer, Optimizer):
        raise ArgumentTypeError(
            f"optimizer: expected one of xpnn.optimizers, such as xpnn.optimizers.adam(1e-3), "
            f"found {optimizer!r}."
        )


def _facts(net: Network, backend: Backend, optimizer: Optimizer) -> dict[str, Any]:
    """Return what all processes must agree on, of the network, the backend and the optimiser."""
    return {
        "backend": backend.name,
        "dtype": backend.dtype_name,
        "sizes": net.sizes,
        "activations": [g.name for g in net.activations],
        "loss": net.loss.name,
        "optimizer": describe(optimizer),
    }


def check_callbacks(callbacks: Any) -> None:
    """Raise unless ``callbacks`` is a sequence of functions."""
    if not (isinstance(callbacks, Sequence) and all(callable(call) for call in callbacks)):
        raise ArgumentTypeError(
            f"callbacks: expected a list of functions, found {callbacks!r}; "
            "write callbacks=[function]."
        )


def _check_validation(validation: Any, net: Network, backend: Any) -> tuple[Any, Any]:
    if not (isinstance(validation, Sequence) and len(validation) == 2):
        raise ArgumentTypeError(
            f"validation: expected a pair (X, Y), found {type(validation).__name__}."
        )
    X, Y = validation
    X, Y, _ = check_examples(net, X, Y, None, backend)
    return X, Y


def _scoring(
    validation: tuple[Array, Array], net: Network, comm: Communicator
) -> Callable[[Params], float]:
    """Return the function that scores parameters; of several ranks rank 0 does it for all."""

    def score(params: Params) -> float:
        return float(comm.on_root(lambda: net.score(params, *validation)))

    return score


def _progress_bar(epochs: int, progress: bool | None) -> Any:
    if progress is None:
        progress = sys.stderr is not None and sys.stderr.isatty()
    return progress_bar(epochs, unit="epoch") if progress else nullcontext()
