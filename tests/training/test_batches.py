"""Of several processes each has its own examples of each step."""

from typing import Any, NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xpnn.training.batches import Plan


class Epochs(NamedTuple):
    """Some epochs of mini-batches, and who has which examples."""

    m: int
    batch_size: int | None
    shares: list[slice]
    weights: Any
    orders: list[Any]

    def expected(self, own):
        """Return, for each step, the own examples in it and what each counts."""
        size = self.m if self.batch_size is None else self.batch_size
        steps = []
        for order in self.orders:
            for start in range(0, self.m, size):
                batch = order[start : start + size].tolist()
                s = [1.0 if self.weights is None else self.weights[i] for i in batch]
                pairs = zip(batch, s, strict=True)
                here = [(i, s_i / sum(s)) for i, s_i in pairs if own.start <= i < own.stop]
                steps.append(here)
        return steps


@st.composite
def epochs(draw):
    m = draw(st.integers(2, 40))
    batch_size = draw(st.integers(1, m - 1))
    cuts = draw(st.sets(st.integers(1, m - 1), max_size=5))
    bounds = [0, *sorted(cuts), m]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = draw(st.sampled_from([None, rng.uniform(0.1, 2.0, m), rng.integers(1, 3, m) * 1.0]))
    return Epochs(
        m,
        batch_size,
        list(map(slice, bounds[:-1], bounds[1:])),
        weights,
        [rng.permutation(m) for _ in range(draw(st.integers(1, 3)))],
    )


@given(given=epochs(), pad=st.booleans())
def test_of_each_step_the_own_examples_are_packed(given, pad):
    for own in given.shares:
        plan = Plan(given.m, given.batch_size, given.weights, pad=pad, own=own)
        inverse = 1.0 / plan.totals(given.orders)
        numbers = [(float(i),) for i in range(inverse.size)]
        batches = plan.batches(given.orders, inverse, numbers)
        expected = given.expected(own)
        assert batches.numbers == numbers
        assert len(batches.widths) == len(expected)
        indices, *shares = batches.arrays
        assert len(shares) == plan.weighted == (pad or given.weights is not None)
        for i, (width, here) in enumerate(zip(batches.widths, expected, strict=True)):
            k = len(here)
            assert k <= width <= indices.shape[1]
            assert width == (indices.shape[1] if pad else k)
            assert indices[i, :k].tolist() == [j - own.start for j, _ in here]
            assert (indices[i] >= 0).all()
            assert (indices[i] < own.stop - own.start).all()
            if shares:
                row = shares[0][i, 0]
                np.testing.assert_allclose(row[:k], [share for _, share in here], 1e-14)
                assert not row[k:].any()
            else:
                np.testing.assert_allclose(inverse.ravel()[i], [share for _, share in here], 1e-14)


@given(given=epochs(), pad=st.booleans())
def test_the_full_batch_is_all_that_is_here(given, pad):
    for own in given.shares:
        plan = Plan(given.m, None, given.weights, pad=pad, own=own)
        assert plan.full
        batches = plan.batches(given.orders, None, [(1.0,)] * len(given.orders))
        assert batches.arrays == ()
        s = np.ones(given.m) if given.weights is None else given.weights
        np.testing.assert_allclose(plan.totals([None]), [[s.sum()]])


def test_rows_have_one_width_where_steps_are_compiled():
    """In 300 epochs of 2 to 98 % of the examples."""
    rng = np.random.default_rng(0)
    for stop in (20, 300, 700, 980):
        plan = Plan(1000, 64, None, pad=True, own=slice(0, stop))
        widths = set()
        for _ in range(300):
            batches = plan.batches([rng.permutation(1000)], np.full((1, 16), 1 / 64), [(0.0,)] * 16)
            widths |= {batches.arrays[0].shape[1], *batches.widths}
        assert len(widths) == 1
        assert max(widths) <= 64


@given(m=st.integers(2, 2000), batch_size=st.integers(1, 1999), data=st.data(), pad=st.booleans())
def test_width(m, batch_size, data, pad):
    here = data.draw(st.integers(1, m))
    plan = Plan(m, min(batch_size, m - 1), None, pad=pad, own=slice(0, here))
    usual = plan._width(slice(0, here), 0)
    for needed in range(min(plan.size, here) + 1):
        width = plan._width(slice(0, here), needed)
        if pad:
            assert needed <= width <= plan.size
            assert width == (usual if needed <= usual else plan.size)
        else:
            assert width == needed
