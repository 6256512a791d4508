"""MODEL on the command line: a file that ``xpnn train`` or an estimator's `save` wrote."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from .._backends.host import to_host
from .._terminal import listed
from .._typing import Array
from ..distributed.processes import Communicator
from ..estimators import load
from ..estimators.base import NetworkEstimator
from ..estimators.classifier import NetworkClassifier
from ..estimators.persistence import save_pipeline
from ..exceptions import ArgumentError
from ..preprocessing import ImageEncoder, TableEncoder
from .examples import Examples
from .formulas import is_formula
from .reading import read_for
from .targets import CLASSIFICATION, REGRESSION, classes_or_numbers, scores

EPSILON = float(np.finfo(np.float32).eps)
ROWS = 65_536
"""So many are predicted at once."""


class Model(NamedTuple):
    """A trained model, and the encoder that turns raw data into its X."""

    encoder: TableEncoder | ImageEncoder | None
    """None if it takes rows of numbers as they are"""
    estimator: NetworkEstimator

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a model from its file."""
        loaded = load(path)
        if isinstance(loaded, tuple):
            raise ArgumentError(
                f"{path}: expected a model of xpnn train or of an estimator, found a bare network; "
                "use it in Python: net, params = xpnn.load(path)."
            )
        if isinstance(loaded, NetworkEstimator):
            return cls(None, loaded)
        return cls(*(step for _, step in loaded.steps))

    def save(self, path: Path) -> None:
        """Write it to a file."""
        if self.encoder is None:
            self.estimator.save(path)
        else:
            save_pipeline(self.encoder, self.estimator, path)

    @property
    def classes(self) -> list[Any] | None:
        """The classes, or None of a regression."""
        estimator = self.estimator
        return estimator.classes_.tolist() if isinstance(estimator, NetworkClassifier) else None

    @property
    def dtype(self) -> str:
        """The dtype of the parameters."""
        return self.estimator._params_backend().dtype_name

    @property
    def n_outputs(self) -> int:
        """How many values are predicted of one example."""
        multilabel = self.classes is None or self.estimator._multilabel
        return self.estimator.network_.sizes[-1] if multilabel else 1

    @property
    def inputs(self) -> list[str]:
        """The numbers of a row in words."""
        if isinstance(self.encoder, TableEncoder):
            return [str(name) for name in self.encoder.get_feature_names_out()]
        if self.encoder is not None:
            return [
                f"pixels of {' x '.join(map(str, self.encoder.shape))}, bytes / 255, row by row"
            ]
        return ["numbers"]

    @property
    def float32_note(self) -> str | None:
        """A warning, if float32 is too coarse for the numbers that the model takes.

        They are standardised within the first layer, by a b that is large where they lie far from
        0 and close together: what W x + b loses by rounding is of the size of b.
        """
        lost = float(np.abs(to_host(self.estimator.intercepts_[0])).max()) * EPSILON
        if lost < 1e-2:
            return None
        return (
            f"float32 is too coarse here: some column lies so far from 0 that Z[1] is off by up to "
            f"{lost:.1g}; subtract a constant from that column, in the file"
        )

    @property
    def formula_note(self) -> str | None:
        """A warning, if a spreadsheet program takes labels for formulas."""
        labels = [label for label in self.classes or () if is_formula(label)]
        if not labels:
            return None
        return (
            f"a spreadsheet program takes these labels for formulas: {listed(labels, 3)}; xpnn "
            "predict writes a ' before them"
        )

    def read(self, where: str, labels: str | None = None) -> Examples:
        """Read DATA as this model has to be given it."""
        encoder = self.encoder
        examples = read_for(
            tuple(encoder.shape) if isinstance(encoder, ImageEncoder) else None,
            encoder.target if isinstance(encoder, TableEncoder) else None,
            self._texts,
            where,
            labels,
        )
        expected = "numbers" if encoder is None else encoder.kind
        if examples.kind != expected:
            raise ArgumentError(
                f"{where}: expected {expected}, as the model was trained on, found {examples.kind}."
            )
        width = self.estimator.n_features_in_
        if encoder is None and examples.X.shape[1] != width:
            raise ArgumentError(
                f"{where}: expected {width} numbers in a row, as the model was trained on, found "
                f"{examples.X.shape[1]}."
            )
        return examples

    @property
    def _texts(self) -> set[str]:
        """The columns of a table that were text when the model was trained."""
        if not isinstance(self.encoder, TableEncoder):
            return set()
        texts = {c.name for c in self.encoder.columns_ if c.categories is not None}
        if self.encoder.target is not None and isinstance((self.classes or [0])[0], str):
            texts.add(self.encoder.target)
        return texts

    def outputs(self, examples: Examples) -> Iterator[tuple[Array, Array | None]]:
        """Return the predictions, with the probabilities if there are classes, chunk by chunk."""
        model: Any = self.estimator
        for chunk in examples.chunks():
            encoded = chunk if self.encoder is None else self.encoder.transform(chunk)
            for start in range(0, len(encoded), ROWS):
                X = encoded[start : start + ROWS]
                if self.classes is None:
                    yield model.predict(X), None
                    continue
                P = model.predict_proba(X)
                if model._multilabel:
                    yield (P > 0.5).astype(int), P
                else:  # a model of one class has no second one to be likely
                    yield model.classes_[P[:, : len(self.classes)].argmax(axis=1)], P

    def predict(self, examples: Examples) -> tuple[Array, Array | None]:
        """Return the predictions for all examples, and the probabilities or None."""
        predicted, probabilities = zip(*self.outputs(examples), strict=True)
        P = None if self.classes is None else np.concatenate(probabilities)
        return np.concatenate(predicted), P

    def labels(self, examples: Examples) -> Array:
        """Return what the examples are labelled with, as the model has its classes, or raise."""
        if self.classes is None:
            return classes_or_numbers(examples, REGRESSION)
        y = classes_or_numbers(examples, CLASSIFICATION)
        known = self.estimator.classes_
        if known.dtype.kind in "OU" and y.dtype.kind != "O":
            y = y.astype(str).astype(object)
        unknown = [label for label in np.unique(y).tolist() if label not in known]
        if unknown:
            raise ArgumentError(
                f"{examples.name}: expected the classes of the model, "
                f"{', '.join(map(str, known))}, found {unknown[0]!r}."
            )
        return y

    def scores(self, examples: Examples, comm: Communicator) -> dict[str, Any]:
        """Return how well it predicts the labels of all ranks' examples."""
        own = (self.labels(examples), *self.predict(examples)) if len(examples) else None
        by_rank = [arrays for arrays in comm.gather(own) if arrays is not None]
        y, predicted, P = (
            None if each[0] is None else np.concatenate(each) for each in zip(*by_rank, strict=True)
        )
        return scores(y, predicted, P, self.classes)
