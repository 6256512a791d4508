"""The way from examples to a model: split, encode, scale, fit, fold the scales in."""

import warnings
from dataclasses import replace
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from .._typing import Array
from ..estimators import MLPClassifier, MLPRegressor
from ..exceptions import ArgumentError, DivergenceError
from ..network import Network
from ..preprocessing import ImageEncoder, TableEncoder
from ..preprocessing.table import categories_of
from .examples import Examples
from .models import Model
from .progress import Progress
from .ranks import ALONE, Ranks
from .targets import CLASSIFICATION, REGRESSION

DIVERGED = (
    "training diverged: the cost or the parameters are no longer finite; lower --learning-rate, or "
    "leave --standardize on."
)
INTERRUPTED = "Training interrupted by user."
AT_LAST = ("Maximum iterations", "lbfgs failed to converge")
"""What the estimators' warnings say."""
STILL_FALLING = "the cost was still falling after the last epoch; more --epochs may help"


class Fitted(NamedTuple):
    """A model, and how its training went."""

    model: Model
    costs: list[float]
    interrupted: bool
    notes: list[str]


def typed(examples: Examples, drop: list[str], ranks: Ranks) -> Examples:
    """Give columns of text the dtype ``category``: what a part lacks, the whole may have."""
    frame = examples.X.copy(deep=False)
    for name in frame.columns:
        if name == examples.target or name in drop:
            continue
        numeric = all(ranks.gather(frame[name].dtype.kind in "iufb"))
        categories = None if numeric else categories_of(name, ranks.whole(frame[name]))
        if categories is not None:
            texts = frame[name].astype(object).map(str, na_action="ignore")
            frame[name] = texts.astype("category").cat.set_categories(categories)
    return replace(examples, X=frame)


def split(y: Array, task: str, test_size: float, seed: int) -> tuple[Array, Array]:
    """Return the positions of the examples to train on, and of those to test on."""
    from sklearn.model_selection import train_test_split

    everything = np.arange(len(y))
    if test_size == 0.0:
        return everything, everything[:0]
    by_class = task == CLASSIFICATION and y.ndim == 1
    if by_class:
        labels, counts = np.unique(y, return_counts=True)
        if counts.min() < 2:
            rare = labels.tolist()[counts.argmin()]
            raise ArgumentError(
                "expected each class in at least two rows, one to train on and one to test on, "
                f"found {rare!r} once; add rows of it, or pass --test-size 0."
            )
    try:
        train, test = train_test_split(
            everything, test_size=test_size, random_state=seed, stratify=y if by_class else None
        )
    except ValueError as error:
        raise ArgumentError(
            f"--test-size: {test_size:g} of {len(y)} rows cannot be set aside, some of each "
            f"class ({error}) add rows, or pass --test-size 0."
        ) from error
    if by_class and len(np.unique(y[train])) < len(labels):
        raise ArgumentError(
            f"--test-size: {test_size:g} of {len(y)} rows leaves a class without any to train on; "
            "lower it, or add rows."
        )
    return np.sort(train), np.sort(test)  # so that ranks, with rows in order, make the same batches


def rows_for(
    examples: Examples, train: Examples, drop: list[str], ranks: Ranks, *, impute: bool
) -> TableEncoder | ImageEncoder | None:
    """Return the encoder of the examples; it imputes what those to train on tell."""
    if examples.kind == "table":
        return TableEncoder(examples.target, tuple(drop), impute).fit(
            train.X if impute else examples.X, whole=ranks.whole
        )
    return ImageEncoder(examples.X.shape[1:]) if examples.kind == "images" else None


def network(
    train: Examples,
    encoder: TableEncoder | ImageEncoder | None,
    y: Array,
    task: str,
    hidden: list[int],
    activation: str,
) -> Network:
    """Return the network that will be trained."""
    n_x = train.X.shape[1] if encoder is None else encoder.n_features_out
    if y.ndim == 2:
        n_y, output = y.shape[1], "sigmoid"
    elif len(classes := np.unique(y)) > 2:
        n_y, output = len(classes), "softmax"
    else:
        n_y, output = 1, "sigmoid"
    if task == REGRESSION:
        n_y, output = 1 if y.ndim == 1 else n_y, "identity"
    return Network([n_x, *hidden, n_y], hidden=activation, output=output)


def dtype_of(examples: Examples) -> str:
    """Return the dtype of the rows: images are float32, numbers what they are."""
    if examples.kind == "table":
        return "float64"
    return "float32" if examples.kind == "images" or examples.X.dtype == np.float32 else "float64"


def numbers(examples: Examples, encoder: TableEncoder | ImageEncoder | None) -> Array:
    """Return the rows of numbers that examples become, finite, or raise."""
    if encoder is not None:
        return encoder.transform(examples.X)
    X = np.asarray(examples.X, dtype=dtype_of(examples))
    finite = np.isfinite(X).all(axis=1)
    if not finite.all():
        raise ArgumentError(
            f"{examples.name}: expected finite numbers, found others, in {int((~finite).sum())} "
            "rows; remove such rows, or put missing values into a table (.csv) and pass --impute."
        )
    return X


def _scaler(what: str, columns: Array, ranks: Ranks = ALONE) -> Any:
    """Return a fitted StandardScaler, or raise if numbers are too large to have a deviation."""
    from sklearn.preprocessing import StandardScaler

    with np.errstate(all="ignore"):
        if ranks.size == 1:
            scaler = StandardScaler().fit(columns)
        else:
            rows, m = _two_rows_like(columns, ranks)
            scaler = StandardScaler().fit(rows, sample_weight=[m / 2.0, m / 2.0])
    if not (np.isfinite(scaler.mean_).all() and np.isfinite(scaler.scale_).all()):
        raise ArgumentError(
            f"{what}: expected numbers whose squares are finite, found {np.abs(columns).max():g}; "
            "remove such rows, or rescale the column."
        )
    return scaler


def _two_rows_like(columns: Array, ranks: Ranks) -> tuple[Array, int]:
    """Return two rows that have the mean and the deviation of the m rows of all ranks, and m."""
    m = sum(ranks.gather(len(columns)))
    mean = sum(ranks.gather(columns.sum(axis=0, dtype=np.float64))) / m
    squares = sum(ranks.gather(((columns - mean) ** 2).sum(axis=0)))
    deviation = np.sqrt(squares / m)
    return np.stack([mean - deviation, mean + deviation]), m


def fit(
    X: Array,
    y: Array,
    task: str,
    encoder: TableEncoder | ImageEncoder | None,
    settings: dict[str, Any],
    progress: Progress,
    ranks: Ranks,
    *,
    standardize: bool,
) -> Fitted:
    """Train a network on rows of numbers; the model takes raw data and predicts raw targets."""
    scaler = target_scaler = None
    if standardize:
        scaler = _scaler("the data", X, ranks)
        if isinstance(encoder, TableEncoder):  # the 0s and 1s of categories stay what they are
            scaler.mean_[encoder.n_numbers :], scaler.scale_[encoder.n_numbers :] = 0.0, 1.0
        X = scaler.transform(X)
    if task == REGRESSION:
        columns = y.reshape(len(y), -1)
        target_scaler = _scaler("the target", columns, ranks)
        y = target_scaler.transform(columns).reshape(y.shape)
    kind = MLPRegressor if task == REGRESSION else MLPClassifier
    estimator: Any = kind(**settings, callbacks=[progress], communicator=ranks.communicator)
    with progress, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator.fit(X, y)
        except DivergenceError as error:
            raise DivergenceError(DIVERGED) from error
    costs = getattr(estimator, "loss_curve_", progress.costs)
    if costs and not isfinite(costs[-1]):
        raise DivergenceError(DIVERGED)
    if scaler is not None:
        estimator = estimator.fold_scaler(scaler)
    if target_scaler is not None:
        estimator = estimator.fold_target_scaler(target_scaler)
    notes = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
    interrupted = INTERRUPTED in notes
    notes = [
        STILL_FALLING if any(words in note for words in AT_LAST) else note
        for note in notes
        if note != INTERRUPTED
    ]
    model = Model(encoder, estimator)
    if model.dtype == "float32" and (note := model.float32_note):
        notes.append(note)
    if note := model.formula_note:
        notes.append(note)
    return Fitted(model, list(costs), interrupted, notes)
