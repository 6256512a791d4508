"""``xpnn info MODEL``: what a file holds."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .._terminal import listed
from ..table import Table
from .models import Model
from .streams import say, say_json

PARAMETERS = ("solver", "learning_rate_init", "batch_size", "alpha", "random_state")
"""What is shown of how a model was trained."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.description = "Say what a model was trained on, what it predicts, and how it is built."
    add = parser.add_argument
    add("model", metavar="MODEL", type=Path, help="a file that xpnn train wrote")
    add("--json", action="store_true", help="print one JSON object, nothing else")


def run(arguments: argparse.Namespace) -> None:
    """Print what the file says of its model."""
    model = Model.load(arguments.model)
    found = _found(model) | {"file": str(arguments.model)}
    if arguments.json:
        say_json(found)
        return
    say(*_lines(found), "", model.estimator.network_.table())
    if note := model.formula_note:
        say("", f"note      {note}")


def _found(model: Model) -> dict[str, Any]:
    """Return what is known of a model, as plain values."""
    estimator = model.estimator
    net = estimator.network_
    params = estimator.get_params(deep=False)
    return {
        "model": type(estimator).__name__,
        "predicts": getattr(model.encoder, "target", None),
        "classes": model.classes,
        "takes": {"kind": "numbers"} if model.encoder is None else model.encoder.describe(),
        "inputs": model.inputs,
        "sizes": list(net.sizes),
        "activations": [g.name for g in net.activations],
        "loss": net.loss.name,
        "dtype": model.dtype,
        "epochs": estimator.n_iter_,
        "last_cost": getattr(estimator, "loss_", None),
        "parameters": {name: params[name] for name in PARAMETERS if name in params},
    }


def _lines(found: dict[str, Any]) -> Iterator[object]:
    predicts = "" if found["predicts"] is None else f"{found['predicts']}: "
    if found["classes"] is None:
        n = found["sizes"][-1]
        yield f"predicts  {predicts}{'a number' if n == 1 else f'{n} numbers'}"
    else:
        yield f"predicts  {predicts}{len(found['classes'])} classes: {listed(found['classes'])}"
    shape = " x ".join(map(str, found["takes"].get("shape", ())))
    of = f" of {shape}" if shape else ""
    yield f"takes     {found['takes']['kind']}{of}, {found['sizes'][0]} numbers in a row"
    parameters = ", ".join(f"{name} {value}" for name, value in found["parameters"].items())
    cost = "" if found["last_cost"] is None else f", last cost {found['last_cost']:.4g}"
    yield f"trained   {found['epochs']} epochs{cost}; {parameters}"
    yield f"model     {found['model']}, {found['dtype']}"
    if "columns" in found["takes"]:
        yield ""
        yield Table(("column", "type", "values", "if missing"), _columns(found["takes"]))


def _columns(takes: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for column in takes["columns"]:
        texts = column["categories"]
        kind, values = ("number", "") if texts is None else ("text", listed(texts))
        fill = column["fill"]
        yield column["name"], kind, values, "refused" if fill is None else f"{fill}"
    for name in takes["drop"]:
        yield name, "left out", "", ""
