"""Mini-batches, laid out on the host: who is in which, and how much each example counts."""

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np


class Batches(NamedTuple):
    """Some steps in a row: what a `Backend.scan` run takes, one row a step."""

    arrays: tuple[Any, ...]
    """() for the full batch; else indices (k, batch) and, if they differ, shares (k, 1, batch)"""
    widths: list[int]
    """how many entries of its row are a step's own"""
    numbers: Any
    """share, decay, and the scalars of the optimiser"""

    def first(self, k: int) -> "Batches":
        """Return the first k steps."""
        return Batches(tuple(a[:k] for a in self.arrays), self.widths[:k], self.numbers[:k])


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
        Whether every step must have the same shapes: then what fills the last, smaller batch
        up counts as examples of share 0, else its row is cut.
    own : slice, optional
        Which of the m examples are here, if others are with other processes: of each step those
        take part here.
    """

    def __init__(
        self, m: int, batch_size: int | None, s: Any, *, pad: bool, own: slice | None = None
    ) -> None:
        self.m = m
        self.size = m if batch_size is None else min(batch_size, m)
        self.full = self.size == m
        self.steps = -(-m // self.size)
        self.own = own
        self.pad = pad and (m % self.size != 0 or own is not None) and not self.full
        self.s = s
        self._same = None if self.weighs else self._sums(np.ones(m) if s is None else s)

    @property
    def weighs(self) -> bool:
        """Whether Σs of a step depends on the order."""
        return self.s is not None and not self.full

    @property
    def weighted(self) -> bool:
        """Whether each example has a share of its own, rather than all the same."""
        return self.s is not None or self.pad

    def _sums(self, s: Any) -> Any:
        return np.add.reduceat(s, range(0, self.m, self.size))

    def totals(self, orders: list[Any]) -> Any:
        """Return Σs of each step, shape (epochs, steps); without weights its number of examples.

        ``orders`` are those of the examples in each epoch, of account if `weighs`.
        """
        if self._same is None:
            return np.stack([self._sums(self.s[order]) for order in orders])
        return np.broadcast_to(self._same, (len(orders), self.steps))

    def batches(self, orders: list[Any], inverse: Any, numbers: Any) -> Batches:
        """Lay the orders of k epochs, shape (m,) each, out as the rows of their steps.

        ``inverse`` is 1/Σs of each step, shape (k, steps), by which s becomes shares, and
        ``numbers`` has a row for each of the k · steps steps.
        """
        if self.full:
            return Batches((), [self.m] * len(numbers), numbers)
        indices = np.zeros((len(orders), self.steps * self.size), dtype=orders[0].dtype)
        np.stack(orders, out=indices[:, : self.m])
        arrays: list[Any] = [indices.reshape(-1, self.size)]
        if self.weighted:
            shares = np.repeat(inverse, self.size, axis=1)
            shares[:, self.m :] = 0.0
            if self.s is not None:
                shares *= self.s[indices]
            arrays.append(shares.reshape(-1, 1, self.size))
        last = self.m - (self.steps - 1) * self.size
        widths = [*[self.size] * (self.steps - 1), last] * len(orders)
        if self.own is not None:
            arrays, widths = self._own(arrays, widths, self.own)
        return Batches(tuple(arrays), widths, numbers)

    def _own(self, arrays: list[Any], widths: list[int], own: slice) -> tuple[list[Any], list[int]]:
        """Keep of each row the entries whose examples are here, to its left."""
        indices, *shares = arrays
        here = (own.start <= indices) & (indices < own.stop)
        here &= np.arange(self.size) < np.asarray(widths)[:, None]
        rows, columns = np.nonzero(here)
        counts = np.bincount(rows, minlength=len(indices))
        positions = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        width = self._width(own, int(counts.max()))

        def kept(values: Any) -> Any:
            packed = np.zeros((len(indices), width), dtype=values.dtype)
            packed[rows, positions] = values[rows, columns]
            return packed

        packed = [kept(indices - own.start), *(kept(a[:, 0])[:, None] for a in shares)]
        return packed, [width] * len(indices) if self.pad else counts.tolist()

    def _width(self, own: slice, needed: int) -> int:
        """Return how many entries a row has: hardly ever another number where they are compiled."""
        if not self.pad:
            return needed
        share = (own.stop - own.start) / self.m
        expected, variance = self.size * share, self.size * share * (1.0 - share)
        usual = min(self.size, int(expected + 6.0 * variance**0.5) + 1)
        return usual if needed <= usual else self.size


class Shuffle:
    """The order of the m examples, drawn on the host for every epoch.

    Parameters
    ----------
    m : int
    rng : numpy Generator or RandomState, or None
        None leaves the examples in order.
    cumulative : bool
        Whether each epoch shuffles the order of the last, as scikit-learn does.
    seed : object
        What the generator was made of; a checkpoint compares it if it is an int.
    """

    def __init__(self, m: int, rng: Any, *, cumulative: bool = False, seed: Any = None) -> None:
        self.rng, self.cumulative = rng, cumulative
        self.seed = int(seed) if isinstance(seed, Integral) else None
        self.order = np.arange(m)

    def draw(self) -> Any:
        """Return the order of the next epoch, shape (m,)."""
        if self.rng is not None:
            drawn = self.rng.permutation(len(self.order))
            self.order = self.order[drawn] if self.cumulative else drawn
        return self.order

    @property
    def state(self) -> tuple[Any, Any]:
        """The order of the last epoch, and the state of the generator as NumPy tells it."""
        if self.rng is None or isinstance(self.rng, np.random.RandomState):
            return self.order, self.rng and self.rng.get_state(legacy=False)
        return self.order, self.rng.bit_generator.state

    @state.setter
    def state(self, state: tuple[Any, Any]) -> None:
        self.order, drawn = state
        if isinstance(self.rng, np.random.RandomState):
            self.rng.set_state(drawn)
        elif self.rng is not None:
            self.rng.bit_generator.state = drawn
