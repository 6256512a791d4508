"""`Verbose`: what scikit-learn's perceptrons print as they train."""

from typing import Any

from ..training.history import Report
from ..training.loop import Loop


class Verbose:
    """A callback that prints each epoch, and says why the rate is lowered or training stops.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
    """

    def __init__(self, model: Any) -> None:
        watched = "Validation score" if model.early_stopping else "Training loss"
        self.plateau = (
            f"{watched} did not improve more than tol={model.tol:f} for {model.n_iter_no_change} "
            "consecutive epochs."
        )

    def __call__(self, report: Report) -> None:
        """Print one epoch."""
        print(f"Iteration {report.epoch}, loss = {report.cost:.8f}")
        if report.validation is not None:
            print(f"Validation score: {report.validation:f}")

    def lowered(self, rate: float) -> None:
        """Say that the learning rate has been lowered."""
        print(f"{self.plateau} Setting learning rate to {rate:f}")

    def stopped(self, loop: Loop) -> None:
        """Say why training has stopped."""
        if loop.history.stopped == "tol":
            why = "" if loop.adaptive is None else " Learning rate too small."
            print(f"{self.plateau}{why} Stopping.")
