"""`Dataset`: what a network is trained and tested on. `prepare` reads, splits and encodes it."""

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .._typing import Array
from ..distributed.processes import Communicator
from ..exceptions import ArgumentError
from ..preprocessing import ImageEncoder, TableEncoder
from .examples import Examples
from .reading import read, with_target
from .tables import gather_column, with_categories
from .targets import CLASSIFICATION, classes_or_numbers, task_of


class Source(NamedTuple):
    """What to read, what to learn from it, and how much of it to set aside."""

    data: str
    labels: str | None
    target: str | None
    image_size: tuple[int, int] | None
    task: str | None
    drop: list[str]
    impute: bool
    test_size: float
    seed: int


class Dataset(NamedTuple):
    """Examples of this rank, split and encoded; y, n_train and n_test are of all ranks."""

    examples: Examples
    train: Examples
    test: Examples
    encoder: TableEncoder | ImageEncoder | None
    X: Array
    """of ``train``, encoded, shape (m, n_x)"""
    y: Array
    task: str
    n_train: int
    n_test: int


def prepare(source: Source, comm: Communicator) -> Dataset:
    """Read, split and encode the data; raise for the first thing wrong."""
    examples, y, task = _read(source, comm)
    split = _split(y, task, source.test_size, source.seed)
    train, test = (examples.take(own_rows(comm, rows, len(examples))) for rows in split)
    if not len(train):
        raise ArgumentError(f"expected rows to train on for each of {comm.size} ranks, found none")
    encoder = _encoder(examples, train, source, comm)
    X = _encode(train, encoder)
    if len(test) and examples.kind != "images":  # of which each is read already
        _encode(test, encoder)  # whatever is wrong with a row is told before the training
    return Dataset(examples, train, test, encoder, X, y, task, *map(len, split))


def _read(source: Source, comm: Communicator) -> tuple[Examples, Array, str]:
    """Return this rank's examples, the targets of all ranks as an array, and the task."""
    examples = read(source.data, source.labels, source.target, source.image_size, comm)
    examples = with_target(examples)
    of_all_ranks = replace(examples, y=gather_column(comm, examples.y))
    task = task_of(of_all_ranks, source.task)
    y = classes_or_numbers(of_all_ranks, task)
    if task == CLASSIFICATION and y.ndim == 1 and len(np.unique(y)) < 2:
        raise ArgumentError(
            f"{source.data}: expected at least two classes, found only {y.tolist()[0]!r}."
        )
    examples = replace(examples, y=y[comm.locate(len(examples))[0]])
    if examples.kind == "table":
        frame = with_categories(examples.X, {examples.target, *source.drop}, comm)
        return replace(examples, X=frame), y, task
    for option, given in (("--drop", source.drop), ("--impute", source.impute)):
        if given:
            raise ArgumentError(f"{option}: expected a table, found {source.data}.")
    return examples.loaded(), y, task


def _split(y: Array, task: str, test_size: float, seed: int) -> tuple[Array, Array]:
    """Return the indices of the training rows and of the test rows."""
    from sklearn.model_selection import train_test_split

    indices = np.arange(len(y))
    if test_size == 0.0:
        return indices, indices[:0]
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
            indices, test_size=test_size, random_state=seed, stratify=y if by_class else None
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


def own_rows(comm: Communicator, rows: Any, m: int) -> Any:
    """Return which of this rank's m examples are among these rows of all ranks' examples."""
    own, _ = comm.locate(m)
    return rows[(own.start <= rows) & (rows < own.stop)] - own.start


def _encoder(
    examples: Examples, train: Examples, source: Source, comm: Communicator
) -> TableEncoder | ImageEncoder | None:
    """Return the encoder of the examples; what it imputes comes from the training rows."""
    if examples.kind == "table":
        return TableEncoder(examples.target, tuple(source.drop), source.impute).fit(
            train.X if source.impute else examples.X, whole=partial(gather_column, comm)
        )
    return ImageEncoder(examples.X.shape[1:]) if examples.kind == "images" else None


def _encode(examples: Examples, encoder: Any) -> Array:
    """Return X for the network, shape (m, n_x); raise unless it is finite."""
    X: Array
    if encoder is not None:
        X = encoder.transform(examples.X)
        return X
    X = np.asarray(examples.X)
    X = X if X.dtype == np.float32 else X.astype(np.float64, copy=False)
    finite = np.isfinite(X).all(axis=1)
    if not finite.all():
        raise ArgumentError(
            f"{examples.name}: expected finite numbers, found others, in {int((~finite).sum())} "
            "rows; remove such rows, or put missing values into a table (.csv) and pass --impute."
        )
    return X
