"""`fit`: epochs of mini-batches, watched from the host."""

import sys
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from .. import _boundary as boundary
from .._typing import Rng
from ..core import optimizers
from ..core.optimizers import Optimizer
from ..core.parameters import Params
from ..errors import ArgumentTypeError, positive_int
from ..network import Network, check_l2, host_rng
from .history import Callback, History, Report
from .stopping import Stopping
from .trainer import Trainer


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
) -> tuple[Params, History]:
    """Train: minimise the cost over mini-batches, and return new parameters.

    Parameters
    ----------
    net : Network
    params : tuple of Layer
        Where to start. They decide library, device and dtype; they are not altered.
    X : array_like, shape (n_x, m)
        One example a column. Host data are cast and moved once.
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
    callbacks : sequence of callable (Report) -> object
        Called after each epoch; one that returns True ends the training.
    progress : bool, optional
        A progress bar with the running cost; default: on a terminal only.

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
    ``history.stopped == "interrupted"``.

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
    if optimizer is None:
        optimizer = optimizers.adam()
    if not isinstance(optimizer, Optimizer):
        raise ArgumentTypeError(
            f"optimizer: expected one of xpnn.optimizers, such as xpnn.optimizers.adam(1e-3), "
            f"found {optimizer!r}."
        )
    epochs = positive_int("epochs", epochs)
    batch_size = None if batch_size is None else positive_int("batch_size", batch_size)
    rng = host_rng(rng)
    stopping = Stopping(tol, n_iter_no_change, higher_is_better=validation is not None)
    layers, backend = boundary.check_params(params, net.sizes)

    with backend.current():
        X, Y, s = boundary.check_examples(X, Y, sample_weight, net.sizes, net.loss, backend)
        if validation is not None:
            validation = _check_validation(validation, net, backend)
        trainer = Trainer(net, backend, optimizer, check_l2(l2), X, Y, s, batch_size)
        carry = best = trainer.start(layers)
        history = History()
        with _progress_bar(epochs, progress) as bar:
            watched = bool(validation or callbacks or stopping.wanted or not bar.disable)
            at_once = 1
            done = carry, 0  # replaced as one: Ctrl-C may come between any two lines
            try:
                while done[1] < epochs:
                    carry, epoch = done
                    count = min(at_once, epochs - epoch)
                    began = perf_counter()
                    rates = [optimizer.rate(epoch + i) for i in range(count)]
                    carry, costs = trainer.run(carry, epoch, rates, rng)
                    seconds = (perf_counter() - began) / count
                    if trainer.plan.full and not watched:
                        at_once = _epochs_at_once(at_once, seconds)
                    history.cost += costs
                    history.learning_rate += rates
                    history.seconds += [seconds] * count
                    if validation is not None:
                        history.validation.append(net.score(trainer.params(carry), *validation))
                    done = carry, epoch + count
                    if not watched:
                        continue
                    bar.set_postfix_str(f"cost={costs[-1]:.4g}", refresh=False)
                    bar.update()
                    report = Report(
                        done[1],
                        costs[-1],
                        history.validation[-1] if validation else None,
                        rates[-1],
                        seconds,
                        carry[0],
                        net.sizes,
                        backend,
                    )
                    answers = [callback(report) for callback in callbacks]
                    if any(answer is True for answer in answers):
                        history.stopped = "callback"
                        break
                    if stopping.improved(history.validation[-1] if validation else costs[-1]):
                        best = carry
                    if stopping.now:
                        history.stopped = "tol"
                        break
            except KeyboardInterrupt:
                history.stopped = "interrupted"
                history.truncate(done[1])
        carry = best if stopping.wanted and validation else done[0]
        trainer.check_finite(carry, done[1])
        return trainer.params(carry), history


def _epochs_at_once(at_once: int, seconds: float) -> int:
    """How many full-batch epochs, single steps, to run before the next look at them.

    Up to 64, as many as take 50 ms: more would not be faster, and Ctrl-C forgets them.
    """
    return min(2 * at_once, 64, max(1, int(0.05 / max(seconds, 1e-9))))


def _check_validation(validation: Any, net: Network, backend: Any) -> tuple[Any, Any]:
    if not (isinstance(validation, Sequence) and len(validation) == 2):
        raise ArgumentTypeError(
            f"validation: expected a pair (X, Y), found {type(validation).__name__}."
        )
    X, Y = validation
    X, Y, _ = boundary.check_examples(X, Y, None, net.sizes, net.loss, backend)
    return X, Y


def _progress_bar(epochs: int, progress: bool | None) -> Any:
    if progress is None:
        progress = sys.stderr.isatty()
    from tqdm import tqdm

    return tqdm(total=epochs, unit="epoch", disable=not progress)
