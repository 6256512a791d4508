"""`Network`: the architecture, and the equations of ``core`` behind checked arguments."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ._backends.base import Backend
from ._backends.selection import get_backend
from ._typing import Array, Namespace, Rng
from .core import parameters, propagation
from .core.activations import ACTIVATIONS, Activation, activation
from .core.losses import LOSS_OF_OUTPUT, LOSSES, Loss, loss
from .core.parameters import Params
from .core.propagation import Caches, Objective
from .exceptions import ArgumentError, ArgumentTypeError
from .rng import host_rng
from .table import Table
from .validation.columns import check_own_functions, check_params, check_X, check_Y, layers_of
from .validation.memory import check_layers_fit
from .validation.numbers import at_least_0, positive_int
from .validation.weights import check_sample_weight, share_and_decay


@dataclass(frozen=True, init=False, repr=False)
class Network:
    """An L-layer network: sizes and functions, no numbers.

    Parameters
    ----------
    sizes : sequence of int
        n[0], n[1], …, n[L]: inputs, units of each hidden layer, outputs.
        ``[n_x, n_y]`` has no hidden layer: linear, logistic or softmax regression.
    hidden : str, Activation, or a sequence of them
        Activation of the hidden layers, one for all or one a layer: ``relu``, ``tanh``,
        ``sigmoid``, ``leaky_relu``, ``identity``, ``exp``, or an `Activation` of your own.
    output : str or Activation, optional
        Activation of the output layer: one of these or ``softmax``. The default is the
        canonical output of ``loss`` if you pass one that has it (``identity`` for
        ``squared_error``), else ``sigmoid`` for one unit and ``softmax`` for more.
    loss : str or Loss, optional
        ``binary_cross_entropy``, ``categorical_cross_entropy``, ``squared_error``,
        ``poisson``, or a `Loss` of your own. The default follows from the output.
    cost : str or Loss, optional
        Another name for ``loss``.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For sizes that are not positive integers, unknown names, and an output whose
        range does not suit the loss.

    Examples
    --------
    >>> import xpnn
    >>> net = xpnn.Network([64, 32, 10], hidden="relu", output="softmax")
    >>> net
    Network([64, 32, 10], hidden='relu', output='softmax', loss='categorical_cross_entropy')
    >>> params = net.init(rng=0)
    >>> params[0].W.shape, params[0].b.shape
    ((32, 64), (32, 1))
    """

    sizes: tuple[int, ...]
    activations: tuple[Activation, ...]
    loss: Loss

    def __init__(
        self,
        sizes: Sequence[int],
        hidden: str | Activation | Sequence[str | Activation] = "relu",
        output: str | Activation | None = None,
        loss: str | Loss | None = None,
        *,
        cost: str | Loss | None = None,
    ) -> None:
        if cost is not None and loss is not None:
            raise ArgumentError(
                f"loss, cost: expected one of them, found loss={loss!r} and cost={cost!r}; "
                "cost= is another name for loss=, so pass loss= alone."
            )
        set_field = object.__setattr__  # frozen
        set_field(self, "sizes", _check_sizes(sizes))
        given = _given_loss(cost if loss is None else loss)
        last = _output(output, given, self.sizes[-1])
        activations = (*_hidden(hidden, len(self.sizes) - 2), last)
        set_field(self, "activations", activations)
        set_field(self, "loss", given or _loss_of_output(last))
        _check_pair(activations[-1], self.loss, self.sizes[-1])

    @property
    def hidden(self) -> tuple[str, ...]:
        """Name of the activation of each hidden layer."""
        return tuple(activation.name for activation in self.activations[:-1])

    @property
    def output(self) -> str:
        """Name of the output activation."""
        return self.activations[-1].name

    def __repr__(self) -> str:
        hidden: Any = list(self.hidden)
        if len(set(hidden)) == 1:
            hidden = hidden[0]
        return (
            f"Network({list(self.sizes)}, hidden={hidden!r}, output={self.output!r}, "
            f"loss={self.loss.name!r})"
        )

    # ---- parameters ---------------------------------------------------------

    def init(self, rng: Rng = 0, weights: str = "he") -> Params:
        """Draw initial parameters on the selected backend.

        Parameters
        ----------
        rng : int, numpy.random.Generator, numpy.random.RandomState or None
            A seed or a generator, None for fresh entropy. Drawn on the host in float64,
            so that every backend gets the same numbers.
        weights : {"he", "glorot", "lecun", "small", "uniform", "zeros"}
            N(0, 2/n_prev), U(±√(6/(n_prev + n))), N(0, 1/n_prev), 0.01 N(0, 1), U(0, 1), 0.
            Biases are zero.

        Returns
        -------
        tuple of Layer
            W[l], shape (n[l], n[l-1]), and b[l], shape (n[l], 1).

        Examples
        --------
        >>> import xpnn
        >>> (layer,) = xpnn.Network([2, 1], output="sigmoid").init(weights="zeros")
        >>> layer.W
        array([[0., 0.]], dtype=float32)
        """
        check_layers_fit("sizes", self.sizes)
        drawn = parameters.initial_weights(self.sizes, weights, host_rng(rng))
        backend = get_backend()
        with backend.current():
            return layers_of(drawn, backend)

    # ---- equations ----------------------------------------------------------

    def forward(self, params: Params, X: Any) -> tuple[Array, Caches]:
        """Z[l] = W[l] A[l-1] + b[l],  A[l] = g(Z[l]).

        Parameters
        ----------
        params : tuple of Layer
        X : array_like, shape (n_x, m)
            One example a column. Lists and NumPy arrays are cast and moved to the
            parameters' backend; arrays of another library or device are refused.

        Returns
        -------
        A : array, shape (n_y, m)
        caches : tuple of Cache
            (A[l-1], Z[l], A[l]) of each layer.

        Examples
        --------
        >>> import xpnn
        >>> net = xpnn.Network([2, 3, 1], hidden="tanh", output="sigmoid")
        >>> A, caches = net.forward(net.init(rng=0, weights="zeros"), [[1.0, 2.0], [3.0, 4.0]])
        >>> A
        array([[0.5, 0.5]], dtype=float32)
        """
        with self._checked(params, X) as (layers, A0, backend):
            return propagation.forward(layers, A0, self.activations, backend.xp)

    def cost(
        self, params: Params, X: Any, Y: Any, l2: float = 0.0, sample_weight: Any = None
    ) -> Array:
        """J = 1/m Σ_i ℓ(a_i, y_i) + λ/(2m) Σ_l ‖W[l]‖².

        Parameters
        ----------
        params : tuple of Layer
        X : array_like, shape (n_x, m)
        Y : array_like, shape (n_y, m), or integer labels, shape (1, m), for softmax
        l2 : float
            λ ≥ 0.
        sample_weight : array_like, shape (1, m), optional
            s: every term is multiplied by its s, and every 1/m becomes 1/Σs.

        Returns
        -------
        array, shape ()

        Examples
        --------
        >>> import xpnn
        >>> net = xpnn.Network([2, 10], output="softmax")
        >>> J = net.cost(net.init(weights="zeros"), [[1.0], [2.0]], [[3]])
        >>> round(float(J), 4)  # log 10
        2.3026
        """
        return self._evaluate(propagation.cost, params, X, Y, l2, sample_weight)

    def gradients(
        self, params: Params, X: Any, Y: Any, l2: float = 0.0, sample_weight: Any = None
    ) -> Params:
        """dJ/dW[l] and dJ/db[l] by backward propagation.

        Parameters
        ----------
        params, X, Y, l2, sample_weight
            As `cost` takes them.

        Returns
        -------
        tuple of Layer
            The same tree as ``params``: ``W`` holds dJ/dW[l], ``b`` holds dJ/db[l].

        Examples
        --------
        >>> import xpnn
        >>> net = xpnn.Network([1, 1], output="identity")
        >>> (grad,) = net.gradients(net.init(weights="zeros"), [[1.0, 2.0]], [[1.0, 2.0]])
        >>> float(grad.W[0, 0]), float(grad.b[0, 0])  # −(1·1 + 2·2)/2, −(1 + 2)/2
        (-2.5, -1.5)
        """
        grads: Params = self._evaluate(propagation.backward, params, X, Y, l2, sample_weight)
        return grads

    def predict(self, params: Params, X: Any) -> Array:
        """Return labels, shape (1, m), for softmax; 0 and 1 (a > 0.5) for sigmoid; else A.

        Parameters
        ----------
        params : tuple of Layer
        X : array_like, shape (n_x, m)

        Returns
        -------
        array, shape (1, m) or (n_y, m)

        Examples
        --------
        >>> import xpnn
        >>> net = xpnn.Network([1, 1], output="sigmoid")
        >>> params = (xpnn.Layer(*map(xpnn.get_backend().asarray, ([[1.0]], [[0.0]]))),)
        >>> net.predict(params, [[-2.0, 3.0]])
        array([[0, 1]])
        """
        with self._checked(params, X) as (layers, A0, backend):
            return self._predict(layers, A0, backend)

    def score(self, params: Params, X: Any, Y: Any) -> float:
        """Return the share of examples predicted right; R² where the output is not a class.

        R² = 1 − Σ(y − a)²/Σ(y − ȳ)², averaged over the outputs; for constant y, 1 if a = y,
        else 0.

        Parameters
        ----------
        params, X, Y
            As `cost` takes them.

        Examples
        --------
        >>> import xpnn
        >>> net = xpnn.Network([1, 1], output="sigmoid")
        >>> net.score(net.init(weights="zeros"), [[1.0, 2.0]], [[0, 1]])  # says 0 to both
        0.5
        """
        with self._checked(params, X) as (layers, A0, backend):
            xp, predicted = backend.xp, self._predict(layers, A0, backend)
            Y = check_Y(Y, A0.shape[1], self, backend)
            if self.output == "softmax":
                right = predicted == xp.argmax(Y, axis=0, keepdims=True)
            elif self.output == "sigmoid":
                right = xp.all((predicted == 1) == (Y > 0.5), axis=0)
            else:
                return 1.0 - backend.number(_missed(Y, predicted, xp))
            return backend.number(xp.sum(xp.astype(right, backend.dtype))) / int(Y.shape[1])

    @contextmanager
    def _checked(self, params: Any, X: Any) -> Iterator[tuple[Params, Array, Backend]]:
        """Check the parameters and X of one call, and enter the backend they are on."""
        params, backend = check_params(params, self.sizes)
        with backend.current():
            yield params, check_X(X, self.sizes[0], backend), backend

    def _predict(self, params: Params, X: Array, backend: Backend) -> Array:
        """Return what `predict` does, of checked arguments."""
        xp = backend.xp
        A, _ = propagation.forward(params, X, self.activations, xp)
        if self.output == "softmax":
            return xp.argmax(A, axis=0, keepdims=True)
        if self.output == "sigmoid":
            return xp.astype(A > 0.5, backend.index_dtype)
        return A

    def _evaluate(
        self, equation: Callable[..., Any], params: Any, X: Any, Y: Any, l2: float, weights: Any
    ) -> Any:
        """Return the cost or its gradient, of unchecked arguments."""
        with self._checked(params, X) as (layers, A0, backend):
            check_own_functions(self, backend)
            Y = check_Y(Y, A0.shape[1], self, backend)
            s = check_sample_weight(weights, A0.shape[1], backend)
            share, decay = share_and_decay(A0.shape[1], s, at_least_0("l2", l2), backend)
            objective = Objective(self.activations, self.loss, share, decay)
            _, caches = propagation.forward(layers, A0, self.activations, backend.xp)
            return equation(layers, caches, Y, objective, backend.xp)

    # ---- looking ------------------------------------------------------------

    def table(self, m: int = 128) -> Table:
        """List the shapes of every layer for m examples, the notes' way to debug dimensions.

        Examples
        --------
        >>> import xpnn
        >>> xpnn.Network([2, 4, 1], hidden="tanh", output="sigmoid").table(m=400)
        layer  g        W, dW   b, db   Z, A, dZ  parameters
        1      tanh     (4, 2)  (4, 1)  (4, 400)  12
        2      sigmoid  (1, 4)  (1, 1)  (1, 400)  5
        total                                     17
        """
        m = positive_int("m", m)
        rows: list[tuple[object, ...]] = [
            (l, g.name, (n, n_prev), (n, 1), (n, m), n * (n_prev + 1))
            for l, (g, (n_prev, n)) in enumerate(
                zip(self.activations, pairwise(self.sizes), strict=True), 1
            )
        ]
        rows.append(("total", "", "", "", "", parameters.count(self.sizes)))
        return Table(("layer", "g", "W, dW", "b, db", "Z, A, dZ", "parameters"), rows)


def _missed(Y: Array, A: Array, xp: Namespace) -> Array:
    """Return 1 − R², the mean over the outputs."""
    residual = xp.sum((Y - A) ** 2, axis=1)
    total = xp.sum((Y - xp.mean(Y, axis=1, keepdims=True)) ** 2, axis=1)
    first = Y[:, :1]
    constant = xp.all(first == Y, axis=1)
    missed = xp.where(constant, xp.astype(residual > 0.0, Y.dtype), residual / total)
    return xp.mean(missed)


def _check_sizes(sizes: Any) -> tuple[int, ...]:
    if not isinstance(sizes, Sequence | np.ndarray) or isinstance(sizes, str):
        raise ArgumentTypeError(f"sizes: expected a sequence like [64, 32, 10], found {sizes!r}.")
    checked = tuple(positive_int(f"sizes[{l}]", n) for l, n in enumerate(sizes))
    if len(checked) < 2:
        raise ArgumentError(
            f"sizes: expected at least inputs and outputs, like [64, 10], found {list(sizes)}."
        )
    return checked


def _activation(g: str | Activation) -> Activation:
    if isinstance(g, Activation):
        return g
    if callable(g):
        raise ArgumentTypeError(
            f"expected the name of an activation or an xpnn.Activation, found the function {g!r}; "
            "wrap it: xpnn.Activation(g), with g(Z, xp) -> A."
        )
    return activation(g)


def _hidden(hidden: Any, layers: int) -> tuple[Activation, ...]:
    one_for_all = isinstance(hidden, str | Activation) or callable(hidden)
    if not (one_for_all or isinstance(hidden, Sequence)):
        raise ArgumentTypeError(
            "hidden: expected the name of an activation, an xpnn.Activation, or a list of these, "
            f"found {hidden!r}."
        )
    listed: Any = [hidden] if one_for_all else hidden
    found = tuple(map(_activation, listed))  # a wrong name is an error even without hidden layers
    if ACTIVATIONS["softmax"] in found:
        raise ArgumentError("hidden: 'softmax' can only be the output; use 'relu' or 'tanh'.")
    if one_for_all:
        return found * layers
    if len(found) != layers:
        raise ArgumentError(
            f"hidden: expected one activation or {layers}, one a hidden layer, "
            f"found {[g.name for g in found]}."
        )
    return found


def _given_loss(given: str | Loss | None) -> Loss | None:
    if given is None or isinstance(given, Loss):
        return given
    if callable(given):
        raise ArgumentTypeError(
            f"loss: expected the name of a loss or an xpnn.Loss, found the function {given!r}; "
            "wrap it: xpnn.Loss(loss), with loss(A, Y, xp) -> ℓ."
        )
    return loss(given)


def _output(output: str | Activation | None, loss: Loss | None, n_y: int) -> Activation:
    """Return the output activation; the default is canonical for the loss, or suits n_y classes."""
    if output is not None:
        return _activation(output)
    if loss and loss.canonical:
        return activation(loss.canonical)
    return activation("sigmoid" if n_y == 1 else "softmax")


def _loss_of_output(output: Activation) -> Loss:
    if output not in ACTIVATIONS.values():
        raise ArgumentError(
            f"loss: expected one with the output {output.name!r}, which has none of its own; "
            f"pass loss= one of {', '.join(LOSSES)}, or an xpnn.Loss."
        )
    return loss(LOSS_OF_OUTPUT[output.name])


def _check_pair(output: Activation, loss: Loss, n_y: int) -> None:
    suited = loss.outputs
    if suited and output in ACTIVATIONS.values() and output.name not in suited:
        raise ArgumentError(
            f"output {output.name!r} does not suit loss {loss.name!r}: "
            f"expected one of {', '.join(suited)}."
        )
    if output == ACTIVATIONS["softmax"] and n_y == 1:
        raise ArgumentError(
            "output: softmax of one unit is always 1; use 2 units, or output='sigmoid'."
        )
