"""``xpnn export MODEL OUT.onnx``: a model for programs without Python."""

import argparse
from pathlib import Path

from .._terminal import listed
from .models import Model
from .outputs import check_distinct, check_file
from .streams import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.description = (
        "Write the network of a model as an ONNX file, which runs without Python, and "
        "say which numbers it takes."
    )
    add = parser.add_argument
    add("model", metavar="MODEL", type=Path, help="a file that xpnn train wrote")
    add("output", metavar="OUT.onnx", type=Path, help="the file to write")


def run(arguments: argparse.Namespace) -> None:
    """Export."""
    check_distinct({"OUT.onnx": arguments.output}, {"MODEL": arguments.model})
    check_file("OUT.onnx", arguments.output, ".onnx")
    model = Model.load(arguments.model)
    model.estimator.to_onnx(arguments.output)
    say(f"file      {arguments.output}")
    inputs = listed(model.inputs)
    say(f"input     X, float32, shape (rows, {model.estimator.n_features_in_}): {inputs}")
    if note := model.float32_note:
        say(f"note      {note}")
    if model.classes is None:
        say(f"output    Y, float32, shape (rows, {model.n_outputs})")
    else:
        say(f"output    label; probabilities of {listed(model.classes)}")
