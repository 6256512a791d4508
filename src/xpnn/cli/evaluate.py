"""``xpnn evaluate MODEL DATA``: how well a model predicts data that have labels."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..exceptions import ArgumentError
from ..table import Table
from .models import Model
from .options import LABELS
from .streams import say, say_json
from .targets import scores

MOST_CLASSES = 20
"""Of more classes the confusion matrix is not printed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.description = (
        "Compare the predictions of a model with the labels of data: accuracy, "
        "precision and recall of each class, and which are taken for which; or the errors of "
        "predicted numbers."
    )
    add = parser.add_argument
    add("model", metavar="MODEL", type=Path, help="a file that xpnn train wrote")
    add("data", metavar="DATA", help="data like those it was trained on, with labels")
    add("labels", metavar="LABELS", nargs="?", help=LABELS)
    add("--json", action="store_true", help="print one JSON object, nothing else")


def run(arguments: argparse.Namespace) -> None:
    """Predict, compare, and print."""
    model = Model.load(arguments.model)
    examples = model.read(arguments.data, arguments.labels)
    if examples.y is None:
        target = getattr(model.encoder, "target", None)
        wanted = "labels" if target is None else f"a column {target!r}"
        raise ArgumentError(
            f"{arguments.data}: expected {wanted} to compare the predictions with, found none; "
            "xpnn predict does without."
        )
    y = model.labels(examples)
    predicted, probabilities = model.predict(examples)
    found = {"data": examples.name, "rows": len(y)}
    found |= scores(y, predicted, probabilities, model.classes)
    if model.classes is not None and y.ndim == 1:
        found |= _by_class(y, predicted, model.classes)
    if arguments.json:
        say_json(found)
    else:
        say(*_lines(found))


def _by_class(y: Any, predicted: Any, classes: list[Any]) -> dict[str, Any]:
    from sklearn import metrics

    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        y, predicted, labels=classes, zero_division=0.0
    )
    columns = zip(classes, precision, recall, f1, support, strict=True)
    return {
        "classes": {
            str(label): {"precision": float(p), "recall": float(r), "f1": float(f), "rows": int(n)}
            for label, p, r, f, n in columns
        },
        "confusion": metrics.confusion_matrix(y, predicted, labels=classes).tolist(),
    }


def _lines(found: dict[str, Any]) -> Iterator[object]:
    yield f"data      {found['data']}: {found['rows']} rows"
    if "accuracy" not in found:
        if found["r2"] is not None:
            yield f"R²        {found['r2']:.4f}"
        yield f"RMSE      {found['rmse']:.4g}"
        yield f"MAE       {found['mae']:.4g}"
        return
    yield f"accuracy  {found['accuracy']:.4f}"
    if "log_loss" in found:
        yield f"log loss  {found['log_loss']:.4f}"
    if "classes" in found:
        classes = found["classes"]
        rows = [
            (label, *(f"{c[name]:.4f}" for name in ("precision", "recall", "f1")), c["rows"])
            for label, c in classes.items()
        ]
        yield ""
        yield Table(("class", "precision", "recall", "f1", "rows"), rows)
        if len(classes) <= MOST_CLASSES:
            counts = zip(classes, found["confusion"], strict=True)
            rows = [(f"true {label}", *row) for label, row in counts]
            yield ""
            yield Table(("predicted:", *classes), rows)
