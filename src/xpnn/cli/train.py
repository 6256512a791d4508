"""``xpnn train DATA``: train a network on data, say how well it does, and write the model."""

import argparse
from typing import Any

from .. import _signals, plot
from .._backends.selection import resolve_or_float32
from ..distributed.processes import ALONE, Communicator, active_comm
from ..distributed.startup import communicator
from ..exceptions import XpnnError
from . import describe, one_line
from .dataset import Dataset, prepare
from .fitting import Fitted, fit, network
from .options import add_arguments, settings
from .outputs import Outputs, save_or_rescue
from .progress import Progress
from .ranks import run_on_ranks, select_backend
from .streams import say, say_json

__all__ = ["add_arguments", "run"]


def run(arguments: argparse.Namespace) -> int:
    """Train, and print what was done; return the exit status."""
    comm = active_comm(communicator()) if arguments.distributed else ALONE
    return run_on_ranks(comm, lambda: _train(arguments, comm))


def _train(arguments: argparse.Namespace, comm: Communicator) -> int:
    """Read the settings and the data, fit a model, and report; return the exit status."""
    source, training, outputs = settings(arguments)
    if comm.is_root:
        outputs.check(source.data, source.labels)
    backend = select_backend(comm, training.backend)
    dataset = prepare(source, comm)
    net = network(dataset, training)
    backend = resolve_or_float32(backend.spec, dataset.X.dtype.name)
    report = describe.understood(dataset, comm) | {
        "standardize": training.standardize,
        "backend": backend.spec,
        "dtype": backend.dtype_name,
        "sizes": list(net.sizes),
        "ranks": comm.size,
    }
    if not outputs.json:
        say(*describe.lines(report), "", net.table(training.batch_size(dataset.n_train)), "")

    epochs = training.parameters["max_iter"]
    progress = Progress(epochs, lines=not outputs.json, shown=comm.is_root)
    fitted = fit(dataset, training, progress, comm)
    _report(report, fitted, dataset, outputs, comm)
    return _signals.status() if fitted.interrupted else 0


def _report(
    report: dict[str, Any], fitted: Fitted, dataset: Dataset, outputs: Outputs, comm: Communicator
) -> None:
    """Save the model, print the report and draw the costs; without an epoch, only print."""
    path, problem = outputs.model, None
    report |= {
        "epochs": len(fitted.costs),
        "epochs_now": fitted.epochs_now,
        "seconds": fitted.seconds,
        "cost": fitted.costs,
        "interrupted": fitted.interrupted,
    }
    if fitted.costs:
        model = fitted.model
        if comm.is_root:  # before the scores, for which a scheduler may not leave the time
            path, problem = save_or_rescue(model.save, outputs.model)
        report |= {
            "train": model.scores(dataset.train, comm),
            "test": model.scores(dataset.test, comm) if dataset.n_test else None,
            "model": str(path),
        }
    if outputs.json:
        say_json(report)
    else:
        say(*describe.results(report, outputs.picture, fitted.notes))
    if problem is not None:
        raise XpnnError(
            f"{outputs.model}: the model cannot be written there ({one_line(problem)}); it is in "
            f"{path}."
        ) from problem
    if fitted.costs and outputs.picture and comm.is_root:
        plot.cost_curve(fitted.costs).figure.savefig(outputs.picture)
