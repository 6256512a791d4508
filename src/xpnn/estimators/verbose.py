"""`Verbose`: what scikit-learn's perceptrons print as they train."""

from ..training.history import Report
from ..training.loop import Loop


class Verbose:
    """A callback that prints each epoch, and says why the rate is lowered or training stops.

    Parameters
    ----------
    early_stopping : bool
        Whether it is the validation score that is watched.
    tol : float
    n_iter_no_change : float
    """

    def __init__(self, *, early_stopping: bool, tol: float, n_iter_no_change: float) -> None:
        watched = "Validation score" if early_stopping else "Training loss"
        self.plateau = (
            f"{watched} did not improve more than tol={tol:f} for {n_iter_no_change} consecutive "
            "epochs."
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
