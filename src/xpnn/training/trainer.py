"""`Trainer`: the data of one training laid out on its device, and epochs run over them."""

from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .._backends.base import Backend, Carry
from .._typing import Array
from ..core.optimizers import Optimizer
from ..core.parameters import Params
from ..core.propagation import forward
from ..distributed.processes import ALONE, Communicator
from ..exceptions import DivergenceError
from ..network import Network
from ..validation.weights import scaled
from .batches import Batches, Plan
from .objective import of_theta
from .step import cutting, make_run
from .streaming import gathered, streaming


class TrainingData(NamedTuple):
    """The examples of a training, checked, on the backend."""

    X: Array
    """shape (m, n_x), or (n_x, m) with ``columns``"""
    Y: Array
    """shape (m, n_y), or (n_y, m)"""
    s: Any = None
    """the sample weights as a NumPy array of float64, shape (1, m), or None"""
    columns: bool = False
    """whether one example is one column, rather than one row"""
    streamed: bool = False
    """whether X and Y are on the host and stay there; mini-batches only"""


class Trainer:
    """What stays the same from epoch to epoch.

    Parameters
    ----------
    net : Network
    backend : Backend
    optimizer : Optimizer
    l2 : float
    examples : TrainingData
        Of several processes, those that are here.
    batch_size : int or None
    steps_before : int
        How many steps the optimiser has made before this training.
    comm : Communicator
        Of several processes, each of which has its part of the examples.
    """

    def __init__(
        self,
        net: Network,
        backend: Backend,
        optimizer: Optimizer,
        l2: float,
        examples: TrainingData,
        batch_size: int | None,
        *,
        steps_before: int = 0,
        comm: Communicator = ALONE,
    ) -> None:
        self.net, self.backend, self.optimizer, self.l2 = net, backend, optimizer, l2
        X, Y, s, columns, streamed = examples
        self.steps_before, self.streamed, self.comm = steps_before, streamed, comm
        self.to_numpy = np.asarray if streamed else backend.to_numpy
        m, own, self.unit = X.shape[1] if columns else X.shape[0], None, 1.0
        if comm.size > 1:
            own, m = comm.locate(m)
        if s is not None:
            s, self.unit = scaled(np.concatenate(comm.gather(s), axis=1)[0])
        self.plan = Plan(m, batch_size, s, pad=backend.compiled, own=own)
        self.rows = backend.compiled or not self.plan.full
        self.data: tuple[Array, ...] = (X.T, Y.T) if columns == self.rows else (X, Y)
        if self.plan.full and s is not None:
            shares = s[own or slice(None)] / self.plan.totals([None]).item()
            self.data += (backend.asarray(shares[None, :], backend.dtype),)
        elif not self.plan.full and not streamed:
            self.data = tuple(map(backend.contiguous, self.data))
        self.run_steps = make_run(
            net,
            optimizer,
            backend,
            self.data[0],
            gather=not self.plan.full,
            weighted=self.plan.weighted,
            l2=l2 != 0.0,
            comm=comm,
        )
        if streamed:
            self.run_steps = streaming(self.run_steps, backend)

    def start(self, theta: Array) -> Carry:
        """Return θ and the state of an optimiser that has not made a step."""
        return (theta, *self.optimizer.init(theta, self.backend.xp))

    def params(self, carry: Carry) -> Params:
        """Return the layers that θ holds."""
        return cutting(self.net.sizes, self.backend)(carry[0])

    def run(
        self, carry: Carry, epoch: int, rates: list[float], orders: list[Any]
    ) -> tuple[Carry, list[float]]:
        """Run one epoch for each learning rate and order, from ``epoch`` on; return their costs.

        An order is that of the examples, shape (m,), of no account to the full batch. ``carry`` is
        not altered. Costs are read from the device once. Raises `DivergenceError` if one is not
        finite.
        """
        totals = self.plan.totals(orders)
        batches = self._batches(epoch, rates, orders, totals)
        with self.backend.threads_for(largest_product(self.net, self.plan.size // self.comm.size)):
            new_carry, J = self.run_steps(carry, self.data, *batches)
        J = self.backend.to_numpy(J)[: len(rates) * self.plan.steps]
        J = J.astype(np.float64).reshape(len(rates), -1)
        if not np.isfinite(J).all():
            self.diverged(carry, batches, int(np.argmin(np.isfinite(J))), epoch, rates)
        return new_carry, self.mean(J, totals).tolist()

    def _batches(self, epoch: int, rates: list[float], orders: list[Any], totals: Any) -> Batches:
        """Return the steps of some epochs."""
        inverse = np.divide(1.0, totals, out=np.zeros_like(totals), where=totals > 0.0)
        share = inverse.reshape(-1)
        t = np.arange(1, share.size + 1) + (self.steps_before + epoch * self.plan.steps)
        scalars = self.optimizer.scalars(np.repeat(rates, self.plan.steps), t)
        decay = self.l2 / self.comm.size * share / self.unit  # each rank adds its part
        columns = (share, decay, *scalars)
        numbers = np.empty((share.size, len(columns)))
        for i, column in enumerate(columns):
            numbers[:, i] = column
        return self.plan.batches(orders, inverse, numbers)

    def mean(self, J: Any, totals: Any) -> Any:
        """Return the cost of each epoch, the mean over its steps; J has shape (epochs, steps)."""
        return (J * totals).sum(axis=1) / totals.sum(axis=1)

    @cached_property
    def sample(self) -> dict[str, Any]:
        """Some numbers of X, Y and the weights, enough to tell others of the same shape.

        Of several processes rank 0 gets those of all; every rank must ask.
        """
        plan = self.plan
        weights = None if plan.s is None else plan.s[:: -(-plan.m // 64)] * self.unit
        sample = {} if weights is None else {"sample_weight": weights}
        first = plan.own.start if plan.own is not None else 0
        step = -(-plan.m // 64)
        for name, a in zip("XY", self.data, strict=False):
            rows = a if self.rows else a.T
            some = rows[-first % step :: step, :: -(-rows.shape[1] // 64)]
            some = some.toarray() if hasattr(some, "toarray") else self.to_numpy(some)
            some = np.ascontiguousarray(some, dtype=np.float64)
            sample[name] = np.concatenate(self.comm.gather(some))
        return sample

    def gradient(self, theta: Array) -> Array:
        """Return dJ/dθ over the examples that are here; for the full batch only."""
        X, Y, *shares = self.data
        share = shares[0] if shares else 1.0 / self.plan.m
        total = self.plan.totals([None]).item()
        decay = self.l2 / total / self.comm.size / self.unit if self.l2 else None
        return of_theta(self.net, self.backend, rows=self.rows)(theta, X, Y, share, decay)[1]

    def check_finite(self, carry: Carry, epoch: int) -> None:
        """Raise `DivergenceError` if the last update left parameters that are not finite."""
        if not self.backend.all_finite(carry[0]):
            l = self._first_bad_layer(self.params(carry))
            raise DivergenceError(
                f"training diverged in epoch {epoch}: after its last step, layer {l} is the first "
                f"whose parameters are not finite. {CURE}"
            )

    def diverged(
        self, carry: Carry, batches: Batches, step: int, epoch: int, rates: list[float]
    ) -> None:
        """Run again up to the step whose cost is not finite, and name the layer it began in."""
        later, k = divmod(step, self.plan.steps)
        rate = rates[later]
        where = f"training diverged in epoch {epoch + later + 1}, step {k + 1}"
        if step:
            carry, _ = self.run_steps(carry, self.data, *batches.first(step))
        params = self.params(carry)
        l = self._first_bad_layer(params)
        if l:
            what = f"layer {l} is the first whose parameters are not finite"
        else:
            X = self.data[0]
            if not self.plan.full:
                X = self._gather(X, batches.arrays[0][step, : batches.widths[step]])
            X = X.T if self.rows else X
            _, caches = forward(params, X, self.net.activations, self.backend.xp)
            is_finite = self.backend.all_finite
            finite = [is_finite(cache.Z) and is_finite(cache.A) for cache in caches]
            finite = list(map(all, zip(*self.comm.gather(finite), strict=True)))
            if all(finite):
                what = f"the cost of layer {len(params)}, the output, is not finite"
            else:
                what = f"layer {finite.index(False) + 1} is the first whose Z or A is not finite"
        raise DivergenceError(f"{where}: {what}. The learning rate was {rate:g}. {CURE}")

    def _gather(self, X: Array, indices: Any) -> Array:
        """Return rows of X on the device."""
        if self.streamed:
            return self.backend.asarray(gathered(X, indices, self.backend))
        return self.backend.take_rows(X, self.backend.scan_input(indices))

    def _first_bad_layer(self, params: Params) -> int:
        is_finite = self.backend.all_finite
        finite = [is_finite(W) and is_finite(b) for W, b in params]
        return 0 if all(finite) else finite.index(False) + 1


def largest_product(net: Network, m: int) -> int:
    """Return how many multiplications W[l] A[l-1] takes for m examples, for the largest layer."""
    return m * max(n * n_prev for n_prev, n in pairwise(net.sizes))


CURE = "Lower the learning rate, or standardise the rows of X (mean 0, standard deviation 1)."
