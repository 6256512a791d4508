"""What was understood of the data, and how the training went: as values, and for people."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from signal import SIGINT
from typing import Any

import numpy as np

from .. import _signals
from .._terminal import listed
from ..distributed.processes import Communicator
from ..preprocessing.table import Column, TableEncoder
from ..table import Table
from .dataset import Dataset
from .targets import REGRESSION

SHOWN = 20
"""So many columns and classes are listed."""


def understood(dataset: Dataset, comm: Communicator) -> dict[str, Any]:
    """Return what was understood of some data, as plain values."""
    examples, encoder, y = dataset.examples, dataset.encoder, dataset.y
    found: dict[str, Any] = {
        "data": examples.name,
        "kind": examples.kind,
        "rows": len(y),
        "train_rows": dataset.n_train,
        "test_rows": dataset.n_test,
        "task": dataset.task,
        "target": examples.target,
    }
    if dataset.task == REGRESSION:
        found["target_range"] = [float(y.min()), float(y.max())]
    elif y.ndim == 1:
        labels, counts = np.unique(y, return_counts=True)
        found["classes"] = dict(zip(map(str, labels.tolist()), counts.tolist(), strict=True))
    found["outputs"] = 1 if y.ndim == 1 else y.shape[1]
    if isinstance(encoder, TableEncoder):
        columns = comm.gather([_column(c, examples.X[c.name]) for c in encoder.columns_])
        found["columns"] = [_together(parts) for parts in zip(*columns, strict=True)]
    else:
        found["shape"] = list(examples.X.shape[1:])
    found["inputs"] = dataset.X.shape[1]
    return found


def _column(column: Column, values: Any) -> dict[str, Any]:
    found = {"name": column.name, "missing": int(values.isna().sum())}
    if column.categories is not None:
        return found | {"type": "text", "categories": column.categories}
    present = values.dropna().astype(float)
    return found | {"type": "number", "range": [float(present.min()), float(present.max())]}


def _together(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what a column of several ranks is, each of which has described its part."""
    found = parts[0] | {"missing": sum(part["missing"] for part in parts)}
    if found["type"] == "number":
        ranges = np.asarray([part["range"] for part in parts])  # NaN where a part has no numbers
        found["range"] = [float(np.nanmin(ranges[:, 0])), float(np.nanmax(ranges[:, 1]))]
    return found


def lines(found: dict[str, Any]) -> Iterator[object]:
    """Say for people what `understood` returned."""
    yield f"data      {found['data']}: {found['rows']} rows, {_extent(found)}"
    yield f"target    {_target(found)}"
    yield f"task      {found['task']}"
    if "columns" in found:
        yield ""
        yield Table(("column", "type", "values"), _columns(found["columns"]))
        yield ""
    yield f"rows      {found['train_rows']} to train, {found['test_rows']} to test"
    processes = f", on {found['ranks']} processes" if found["ranks"] > 1 else ""
    yield f"backend   {found['backend']}, {found['dtype']}{processes}"


def _extent(found: dict[str, Any]) -> str:
    if found["kind"] == "table":
        columns, inputs = len(found["columns"]), found["inputs"]
        encoded = "" if inputs == columns else f", {inputs} inputs with a number for each text"
        return f"{columns} columns beside the target{encoded}"
    if found["kind"] == "images":
        return f"images of {' x '.join(map(str, found['shape']))}"
    return f"{found['inputs']} numbers in each"


def _target(found: dict[str, Any]) -> str:
    name = "" if found["target"] is None else f"{found['target']}: "
    if found["task"] == REGRESSION:
        low, high = found["target_range"]
        outputs = f"{found['outputs']} numbers" if found["outputs"] > 1 else "a number"
        return f"{name}{outputs} from {low:g} to {high:g}"
    if "classes" not in found:
        return f"{name}{found['outputs']} labels, each 0 or 1"
    counts = [f"{label} {count}" for label, count in found["classes"].items()]
    return f"{name}{len(counts)} classes: {listed(counts)}"


def _columns(columns: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for column in columns[:SHOWN]:
        if column["type"] == "text":
            what = listed(column["categories"])
        else:
            low, high = column["range"]
            what = f"{low:g} to {high:g}"
        missing = f"; {column['missing']} missing" if column["missing"] else ""
        rows.append((column["name"], column["type"], what + missing))
    if len(columns) > SHOWN:
        rows.append((f"and {len(columns) - SHOWN} more", "", ""))
    return rows


def results(report: dict[str, Any], picture: Path | None, notes: list[str]) -> Iterator[str]:
    """Say for people how a training went."""
    epochs, costs = report["epochs"], report["cost"]
    if report["interrupted"]:
        by = _signals.interrupted_by()
        name = "Ctrl-C" if by == SIGINT else by.name
        yield f"stopped by {name} after {epochs} complete epochs"
    if not costs:
        return
    yield f"cost      {costs[-1]:.4g} after {epochs} epochs (after the first {costs[0]:.4g})"
    yield _scores(report)
    now, seconds = report["epochs_now"], report["seconds"]
    yield f"time      {seconds:.2f} s for {now} epochs"
    yield f"model     {report['model']}"
    if picture:
        yield f"picture   {picture}"
    for note in notes:
        yield f"note      {note}"


def _scores(report: dict[str, Any]) -> str:
    parts = [(scores, part) for part in ("train", "test") if (scores := report[part])]
    if "accuracy" in report["train"]:
        return "accuracy  " + ", ".join(f"{s['accuracy']:.4f} {part}" for s, part in parts)
    return (
        "R²        "
        + ", ".join(f"{_number(s['r2'])} {part}" for s, part in parts)
        + ("; typical error (RMSE) " + ", ".join(f"{s['rmse']:.4g} {part}" for s, part in parts))
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
