"""Mini-batches, laid out on the host: who is in which, and how much each example counts."""

from typing import Any, NamedTuple

import numpy as np


class Batches(NamedTuple):
    """Some steps in a row: what a `Backend.scan` run takes, one row a step."""

    arrays: tuple[Any, ...]
    """() for the full batch; else indices (k, batch) and, if they differ, shares (k, 1, batch)"""
    numbers: list[tuple[float, ...]]
    """share, decay, and the scalars of the optimiser"""


class Plan:
    """How the m examples of an epoch are divided into steps.

    Parameters
    ----------
    m : int
    batch_size : int or None
        None, or anything from m up, is the full batch, in order.
    s : host array, shape (m,), or None
        Sample weights.
    pad : bool
        Whether every step must have the same shapes: then the last, smaller batch is
        filled with examples of share 0, else it is simply smaller.
    """

    def __init__(self, m: int, batch_size: int | None, s: Any, *, pad: bool) -> None:
        self.m = m
        self.size = m if batch_size is None else min(batch_size, m)
        self.full = self.size == m
        self.steps = -(-m // self.size)
        self.pad = pad and m % self.size != 0
        self.s = s

    @property
    def weighted(self) -> bool:
        """Whether each example has a share of its own, rather than all the same."""
        return self.s is not None or self.pad

    def totals(self, order: Any) -> Any:
        """Return Σs of each step, shape (steps,); without weights its number of examples."""
        s = np.ones(self.m) if self.s is None else self.s[order]
        return np.add.reduceat(s, range(0, self.m, self.size))

    def rows(self, order: Any, inverse: Any) -> list[tuple[Any, ...]]:
        """Cut an epoch's order, and shares s · ``inverse``, into the ``arrays`` of its runs.

        ``inverse`` is 1/Σs of each step. There is one run; two if the last batch is smaller.
        """
        if self.full:
            return [()]
        columns = [order]
        if self.weighted:
            share = np.repeat(inverse, self.size)[: self.m]
            columns.append(share if self.s is None else share * self.s[order])
        if self.pad:
            columns = [np.pad(a, (0, self.steps * self.size - self.m)) for a in columns]
        whole = len(columns[0]) // self.size * self.size
        pieces = [(slice(0, whole), self.size), (slice(whole, None), self.m - whole)]
        return [
            tuple(
                a[piece].reshape(-1, size) if a is columns[0] else a[piece].reshape(-1, 1, size)
                for a in columns
            )
            for piece, size in pieces
            if size > 0
        ]


class Shuffle:
    """The order of the m examples, drawn on the host for every epoch.

    Parameters
    ----------
    m : int
    rng : numpy Generator or RandomState, or None
        None leaves the examples in order.
    cumulative : bool
        Whether each epoch shuffles the order of the last, as scikit-learn does.
    """

    def __init__(self, m: int, rng: Any, *, cumulative: bool = False) -> None:
        self.rng, self.cumulative = rng, cumulative
        self.order = np.arange(m)

    def draw(self) -> Any:
        """Return the order of the next epoch, shape (m,)."""
        if self.rng is not None:
            drawn = self.rng.permutation(len(self.order))
            self.order = self.order[drawn] if self.cumulative else drawn
        return self.order
