"""``xpnn predict MODEL DATA``: what a model says of new data."""

import argparse
import csv
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from ..errors import ArgumentError
from ..files.atomic import replacing
from .models import Model
from .reading import Examples


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.description = (
        "Print a line of CSV for each row of data: the prediction, and the "
        "probability of each class. Of one image, print its class and the probability."
    )
    add = parser.add_argument
    add("model", metavar="MODEL", type=Path, help="a file that xpnn train wrote")
    add("data", metavar="DATA", help="data like those it was trained on; of images, also one file")
    add("-o", "--output", metavar="FILE", type=Path, help="write the CSV to a file")


def run(arguments: argparse.Namespace) -> None:
    """Predict."""
    model = Model.load(arguments.model)
    examples = model.read(arguments.data)
    if arguments.output is not None:
        _check_output(arguments)
    one_image = examples.files is not None and Path(arguments.data).is_file()
    if one_image and arguments.output is None:
        print(_of_image(model, examples))
        return
    rows = _rows(model, examples)
    first = next(rows)  # an error in the data comes before anything is written
    with _opened(arguments.output) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_header(model, examples))
        writer.writerow(first)
        writer.writerows(rows)


def _check_output(arguments: argparse.Namespace) -> None:
    """Raise if the predictions would replace what they are made of, or a folder."""
    output = arguments.output.resolve()
    if output in {Path(arguments.data).resolve(), arguments.model.resolve()}:
        raise ArgumentError(f"--output: expected another file than DATA and MODEL, found {output}.")
    if output.is_dir():
        raise ArgumentError(f"--output: expected a file, found the folder {arguments.output}.")


def _of_image(model: Model, examples: Examples) -> str:
    predicted, probabilities = model.predict(examples)
    if probabilities is None or predicted.ndim == 2:
        return str(predicted[0])
    return f"{predicted[0]} {probabilities.max():.4f}"


def _header(model: Model, examples: Examples) -> list[str]:
    n = model.n_outputs
    names = ["prediction"] if n == 1 else [f"prediction_{k}" for k in range(n)]
    file = [] if examples.files is None else ["file"]
    return [*file, *names, *(f"probability_{label}" for label in model.classes or ())]


def _rows(model: Model, examples: Examples) -> Iterator[list[Any]]:
    """Return one row of the CSV after the other."""
    files = iter(examples.files or ())
    for predicted, probabilities in model.outputs(examples):
        columns = predicted.reshape(len(predicted), -1).tolist()
        likely = [()] * len(columns) if probabilities is None else probabilities.tolist()
        for values, P in zip(columns, likely, strict=True):
            file = [str(next(files))] if examples.files else []
            yield [*file, *map(_shown, values), *(f"{p:.6g}" for p in P)]


def _shown(value: Any) -> Any:
    return f"{value:.10g}" if isinstance(value, float) else value


@contextmanager
def _opened(path: Path | None) -> Iterator[TextIO]:
    """Open a file that is replaced whole, or standard output."""
    if path is None:
        yield sys.stdout
        return
    if path.exists() and not path.is_file():  # a pipe or a device
        with path.open("w", encoding="utf-8", newline="") as text:
            yield text
        return
    with replacing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()
