"""From a `Dataset` to a `Fitted` model: scale, fit, fold the scalers into the network."""

import warnings
from math import isfinite
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from .._typing import Array
from ..distributed.processes import Communicator
from ..estimators import MLPClassifier, MLPRegressor
from ..exceptions import ArgumentError, DivergenceError
from ..network import Network
from ..preprocessing import TableEncoder
from .dataset import Dataset
from .models import Model
from .progress import Progress
from .targets import REGRESSION

DIVERGED = (
    "training diverged: the cost or the parameters are no longer finite; lower --learning-rate, or "
    "leave --standardize on."
)
INTERRUPTED = "Training interrupted by user."
AT_LAST = ("Maximum iterations", "lbfgs failed to converge")
"""What the estimators' warnings say."""
STILL_FALLING = "the cost was still falling after the last epoch; more --epochs may help"


class Training(NamedTuple):
    """How to train."""

    parameters: dict[str, Any]
    """of the estimator"""
    standardize: bool
    backend: str | None

    def batch_size(self, m: int) -> int:
        """Return how many of m rows make a batch."""
        return min(m, int(self.parameters["batch_size"]))


class Fitted(NamedTuple):
    """A model, and how its training went."""

    model: Model
    costs: list[float]
    """of every epoch, those before a checkpoint too"""
    epochs_now: int
    seconds: float
    interrupted: bool
    notes: list[str]


def network(dataset: Dataset, training: Training) -> Network:
    """Return the network that will be trained."""
    y, regression = dataset.y, dataset.task == REGRESSION
    n_y = 1 if y.ndim == 1 else y.shape[1]
    output = "identity" if regression else "sigmoid"
    if y.ndim == 1 and not regression and (n := len(np.unique(y))) > 2:
        n_y, output = n, "softmax"
    sizes = [dataset.X.shape[1], *training.parameters["hidden_layer_sizes"], n_y]
    return Network(sizes, hidden=training.parameters["activation"], output=output)


def _scaler(what: str, columns: Array, comm: Communicator) -> Any:
    """Return a fitted StandardScaler, or raise if numbers are too large to have a deviation."""
    from sklearn.preprocessing import StandardScaler

    with np.errstate(all="ignore"):
        if comm.size == 1:
            scaler = StandardScaler().fit(columns)
        else:
            two_rows, m = _two_rows_like(columns, comm)
            scaler = StandardScaler().fit(two_rows, sample_weight=[m / 2.0, m / 2.0])
    if not (np.isfinite(scaler.mean_).all() and np.isfinite(scaler.scale_).all()):
        raise ArgumentError(
            f"{what}: expected numbers whose squares are finite, found {np.abs(columns).max():g}; "
            "remove such rows, or rescale the column."
        )
    return scaler


def _two_rows_like(columns: Array, comm: Communicator) -> tuple[Array, int]:
    """Return two rows with the mean and the deviation of all ranks' m rows, and m."""
    m = sum(comm.gather(len(columns)))
    mean = sum(comm.gather(columns.sum(axis=0, dtype=np.float64))) / m
    squares = sum(comm.gather(((columns - mean) ** 2).sum(axis=0)))
    deviation = np.sqrt(squares / m)
    return np.stack([mean - deviation, mean + deviation]), m


def fit(dataset: Dataset, training: Training, progress: Progress, comm: Communicator) -> Fitted:
    """Train a network; the model takes raw data and predicts targets in their own units."""
    began = perf_counter()
    X, y, encoder = dataset.X, dataset.train.y, dataset.encoder
    regression = dataset.task == REGRESSION
    scaler = target_scaler = None
    if training.standardize:
        scaler = _scaler("the data", X, comm)
        if isinstance(encoder, TableEncoder):  # the 0s and 1s of categories stay what they are
            scaler.mean_[encoder.n_numbers :], scaler.scale_[encoder.n_numbers :] = 0.0, 1.0
        X = scaler.transform(X)
    if regression:
        columns = y.reshape(len(y), -1)
        target_scaler = _scaler("the target", columns, comm)
        y = target_scaler.transform(columns).reshape(y.shape)
    kind = MLPRegressor if regression else MLPClassifier
    parameters = training.parameters | {"batch_size": training.batch_size(dataset.n_train)}
    estimator: Any = kind(**parameters, callbacks=[progress], communicator=comm)
    costs, warned = _run(estimator, X, y, progress)
    if scaler is not None:
        estimator = estimator.fold_scaler(scaler)
    if target_scaler is not None:
        estimator = estimator.fold_target_scaler(target_scaler)
    model = Model(encoder, estimator)
    seconds, interrupted = perf_counter() - began, INTERRUPTED in warned
    return Fitted(model, costs, len(progress.costs), seconds, interrupted, _notes(warned, model))


def _run(estimator: Any, X: Array, y: Array, progress: Progress) -> tuple[list[float], list[str]]:
    """Fit an estimator; return its costs and what it warned of."""
    with progress, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator.fit(X, y)
        except DivergenceError as error:
            raise DivergenceError(DIVERGED) from error
    costs = list(getattr(estimator, "loss_curve_", progress.costs))
    if costs and not isfinite(costs[-1]):
        raise DivergenceError(DIVERGED)
    return costs, [str(w.message) for w in caught if issubclass(w.category, UserWarning)]


def _notes(warned: list[str], model: Model) -> list[str]:
    """Return the notes that follow a training's scores."""
    notes = [
        STILL_FALLING if any(words in warning for words in AT_LAST) else warning
        for warning in warned
        if warning != INTERRUPTED
    ]
    float32_note = model.float32_note if model.dtype == "float32" else None
    return notes + [note for note in (float32_note, model.formula_note) if note]
