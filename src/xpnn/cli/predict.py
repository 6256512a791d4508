"""``xpnn predict MODEL DATA``: what a model says of new data."""

import argparse
import codecs
import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from .._terminal import escaped
from ..files.atomic import replacing
from .examples import Examples
from .formulas import as_text
from .models import Model
from .outputs import check_distinct, check_writable
from .streams import raw_stream

ERRORS = "backslashreplace"
"""How to write the bytes of a file name that are not UTF-8."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.description = (
        "Print a line of CSV for each row of data: the prediction, and the "
        "probability of each class. Of one image, print its class and the probability. What is "
        "printed is for people: control characters are escaped, which they are not in a file."
    )
    add = parser.add_argument
    add("model", metavar="MODEL", type=Path, help="a file that xpnn train wrote")
    add("data", metavar="DATA", help="data like those it was trained on; of images, also one file")
    add("-o", "--output", metavar="FILE", type=Path, help="write the CSV to a file")
    add(
        "--escape-formulas",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="write ' before a label or file name that begins with = + - @, a tab or an end of "
        "line, as spreadsheet programs run such cells (default: yes)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Predict."""
    output = arguments.output
    check_distinct({"--output": output}, {"DATA": arguments.data, "MODEL": arguments.model})
    if output is not None:
        check_writable("--output", output)
    model = Model.load(arguments.model)
    examples = model.read(arguments.data)
    check_distinct({"--output": output}, {f"{file} of DATA": file for file in examples.files or ()})
    one_image = examples.files is not None and Path(arguments.data).is_file()
    if one_image and output is None:
        with _standard_output() as file:
            file.write(f"{escaped(_of_image(model, examples))}\n")
        return
    shown = partial(
        _shown,
        formulas=not arguments.escape_formulas,
        on_screen=output is None or output.is_char_device(),
    )
    rows = _rows(model, examples, shown)
    first = next(rows)  # an error in the data comes before anything is written
    with _standard_output() if output is None else _opened(output) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(map(shown, _header(model, examples)))
        writer.writerow(first)
        writer.writerows(rows)


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


def _rows(
    model: Model, examples: Examples, shown: Callable[[Any], object]
) -> Iterator[list[object]]:
    """Return one row of the CSV after the other."""
    files = iter(examples.files or ())
    for predicted, probabilities in model.outputs(examples):
        columns = predicted.reshape(len(predicted), -1).tolist()
        likely = [()] * len(columns) if probabilities is None else probabilities.tolist()
        for values, P in zip(columns, likely, strict=True):
            file = [str(next(files))] if examples.files else []
            yield [*map(shown, (*file, *values)), *(f"{p:.6g}" for p in P)]


def _shown(value: Any, *, formulas: bool, on_screen: bool) -> object:
    """Return a value as its cell shows it."""
    if isinstance(value, float):
        return f"{value:.10g}"
    cell = value if formulas else as_text(value)
    return escaped(cell) if on_screen else cell


@contextmanager
def _standard_output() -> Iterator[TextIO]:
    """Return standard output, and say if it cannot take everything."""
    file = raw_stream(sys.stdout)
    try:
        yield file
        file.flush()
    except OSError as error:
        error.filename = error.filename or "standard output"
        raise


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file that is replaced whole, or a pipe or a device."""
    is_file = path.is_file() or not path.exists()
    with replacing(path) if is_file else path.open("wb") as file:
        yield codecs.getwriter("utf-8")(file, ERRORS)
