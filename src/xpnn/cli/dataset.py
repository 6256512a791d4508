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
from .ranks import gather_column, own_rows
from .reading import read, with_target
from .tables import with_categories
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
    """Examples of this rank, split and encoded; targets and numbers of rows are those of all."""

    examples: Examples
    train: Examples
    test: Examples
    encoder: TableEncoder | ImageEncoder | None
    X: Array
    """The rows of ``train``, shape (m, n_x)"""
    y: Array
    task: str
    n_train: int
    n_test: int


def prepare(source: Source, comm: Communicator) -> Dataset:
    """Read, split and encode what a network is to learn, or raise for the first thing wrong."""
    examples, y, task = _read(source, comm)
    everywhere = _split(y, task, source.test_size, source.seed)
    train, test = (examples.take(own_rows(comm, rows, len(examples))) for rows in everywhere)
    if not len(train):
        raise ArgumentError(f"expected rows to train on for each of {comm.size} ranks, found none")
    encoder = _encoder(examples, train, source, comm)
    X = _encode(train, encoder)
    if len(test) and examples.kind != "images":  # of which each is read already
        _encode(test, encoder)  # whatever is wrong with a row is told before the training
    return Dataset(examples, train, test, encoder, X, y, task, *map(len, everywhere))


def _read(source: Source, comm: Communicator) -> tuple[Examples, Array, str]:
    """Return this rank's examples, what is to be learnt of all as an array, and the task."""
    found = read(source.data, source.labels, source.target, source.image_size, comm)
    examples = with_target(found)
    whole = replace(examples, y=gather_column(comm, examples.y))
    task = task_of(whole, source.task)
    y = classes_or_numbers(whole, task)
    if task == CLASSIFICATION and y.ndim == 1 and len(np.unique(y)) < 2:
        raise ArgumentError(
            f"{source.data}: expected at least two classes, found only {y.tolist()[0]!r}."
        )
    examples = replace(examples, y=y[comm.locate(len(examples))[0]])
    if examples.kind == "table":
        passed_over = {examples.target, *source.drop}
        return replace(examples, X=with_categories(examples.X, passed_over, comm)), y, task
    for option, given in (("--drop", source.drop), ("--impute", source.impute)):
        if given:
            raise ArgumentError(f"{option}: expected a table, found {source.data}.")
    return examples.loaded(), y, task


def _split(y: Array, task: str, test_size: float, seed: int) -> tuple[Array, Array]:
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


def _encoder(
    examples: Examples, train: Examples, source: Source, comm: Communicator
) -> TableEncoder | ImageEncoder | None:
    """Return the encoder of the examples; it imputes what those to train on tell."""
    if examples.kind == "table":
        return TableEncoder(examples.target, tuple(source.drop), source.impute).fit(
            train.X if source.impute else examples.X, whole=partial(gather_column, comm)
        )
    return ImageEncoder(examples.X.shape[1:]) if examples.kind == "images" else None


def _encode(examples: Examples, encoder: Any) -> Array:
    """Return the rows of numbers that examples become, finite, or raise."""
    if encoder is not None:
        rows: Array = encoder.transform(examples.X)
        return rows
    X = np.asarray(examples.X)
    X = X if X.dtype == np.float32 else X.astype(np.float64, copy=False)
    finite = np.isfinite(X).all(axis=1)
    if not finite.all():
        raise ArgumentError(
            f"{examples.name}: expected finite numbers, found others, in {int((~finite).sum())} "
            "rows; remove such rows, or put missing values into a table (.csv) and pass --impute."
        )
    return X
