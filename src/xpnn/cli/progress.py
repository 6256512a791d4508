"""`Progress`: the running cost, as a bar on a terminal and as plain lines elsewhere."""

import sys
from math import isfinite
from time import monotonic
from typing import Any, Self

from ..training.bar import progress_bar
from ..training.history import Report
from .streams import raw_stream, say

LINES = 10
"""About so many lines are printed, unless epochs are long."""
SECONDS = 10.0
"""A line is printed after so many seconds at the latest, once an epoch is over."""


class Progress:
    """A callback that shows each epoch, to be used in a ``with`` block.

    Parameters
    ----------
    epochs : int
        How many there are at most.
    lines : bool
        Whether plain lines may be printed where standard output is no terminal.
    shown : bool
        Whether anything is shown at all.
    """

    def __init__(self, epochs: int, *, lines: bool, shown: bool = True) -> None:
        self.epochs = epochs
        self.costs: list[float] = []
        terminal = shown and sys.stderr.isatty() and (sys.stdout.isatty() or not lines)
        self.lines = shown and lines and not terminal
        self.bar: Any = None
        if terminal:
            self.bar = progress_bar(epochs, unit="epoch", file=raw_stream(sys.stderr))
        self.printed = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def __call__(self, report: Report) -> bool:
        """Show an epoch; end a training that has diverged."""
        self.costs.append(report.cost)
        if self.bar is not None:
            self.bar.set_postfix_str(f"cost={report.cost:.4g}", refresh=False)
            self.bar.update(report.epoch - self.bar.n)
        elif self.lines and self._is_due(report.epoch):
            say(f"epoch {report.epoch} of {self.epochs}, cost {report.cost:.4g}")
            self.printed = monotonic()
        return not isfinite(report.cost)

    def _is_due(self, epoch: int) -> bool:
        step = max(1, self.epochs // LINES)
        return epoch == 1 or epoch % step == 0 or monotonic() - self.printed > SECONDS
