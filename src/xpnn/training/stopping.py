"""When to stop, or to go slower: the cost, or the validation score, no longer improves."""

from collections.abc import Callable

from ..exceptions import ArgumentError
from ..validation.numbers import positive_int, real_number


class Stopping:
    """Counts epochs without improvement, by scikit-learn's rule.

    Parameters
    ----------
    tol : float or None
        None never stops.
    n_iter_no_change : int, or infinity
    higher_is_better : bool
        True for a score, False for a cost.
    """

    def __init__(
        self, tol: float | None, n_iter_no_change: float, *, higher_is_better: bool
    ) -> None:
        expected = "a number of at least 0, or None"
        self.tol = None if tol is None else real_number("tol", tol, expected)
        if self.tol is not None and not self.tol >= 0.0:
            raise ArgumentError(f"tol: expected {expected}, found {tol!r}.")
        never = n_iter_no_change == float("inf")
        self.patience = (
            n_iter_no_change if never else positive_int("n_iter_no_change", n_iter_no_change)
        )
        self.sign = 1.0 if higher_is_better else -1.0
        self.best = float("-inf")
        self.without_improvement = 0

    @property
    def wanted(self) -> bool:
        """Whether there is a tolerance at all."""
        return self.tol is not None

    @property
    def now(self) -> bool:
        """Whether more than ``n_iter_no_change`` epochs have gone by without improvement."""
        return self.without_improvement > self.patience

    def is_best(self, value: float) -> bool:
        """Take note of an epoch's cost or score; return whether it is the best so far."""
        if self.tol is None:
            return False
        value *= self.sign
        if value < self.best + self.tol:
            self.without_improvement += 1
        else:
            self.without_improvement = 0
        if value > self.best:
            self.best = value
            return True
        return False


class AdaptiveRate:
    """A learning rate that is divided by 5 instead of stopping, until it is 1e-6 or less.

    scikit-learn's ``learning_rate="adaptive"``. Called like a schedule, with the epoch.

    Parameters
    ----------
    alpha : float
        Where it starts.
    tell : callable (alpha) -> object, optional
        Called with the new rate.
    """

    def __init__(self, alpha: float, tell: Callable[[float], object] | None = None) -> None:
        self.first = self.alpha = alpha
        self.tell = tell

    def __repr__(self) -> str:
        return f"adaptive, from {self.first!r}"

    def __call__(self, epoch: int) -> float:
        """α, whatever the epoch."""
        return self.alpha

    def lower(self) -> bool:
        """Divide the rate by 5; return False, and leave it, if it is too small already."""
        if self.alpha <= 1e-6:
            return False
        self.alpha /= 5.0
        if self.tell is not None:
            self.tell(self.alpha)
        return True
