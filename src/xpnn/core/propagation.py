"""Forward propagation, the cost, and backward propagation.

One example is one column. The cost is a weighted mean over the examples,

    J = Σ_i share_i ℓ_i + ½ decay Σ_l ‖W[l]‖²

dZ, dW, db and dA are derivatives of J. The factor 1/m therefore enters once, in
dZ[L] = (A[L] − Y)/m, where the array is smallest, and every dW and db inherits it.
"""

from typing import NamedTuple, TypeAlias

from .. import graph
from .._typing import Array, Namespace
from .activations import ACTIVATIONS, Activation
from .losses import Loss
from .parameters import Layer, Params


class Cache(NamedTuple):
    """What backward propagation needs of one layer's forward propagation."""

    A_prev: Array
    """A[l-1], shape (n[l-1], m)"""
    Z: Array
    """Z[l], shape (n[l], m)"""
    A: Array
    """A[l], shape (n[l], m)"""


Caches: TypeAlias = tuple[Cache, ...]


class Objective(NamedTuple):
    """What J is made of, beside the parameters and the examples."""

    activations: tuple[Activation, ...]
    """g of the layers 1..L"""
    loss: Loss
    """ℓ"""
    share: Array | float
    """1/m for every example; with sample weights s it is s/Σs, shape (1, m)"""
    decay: Array | float | None = None
    """λ/m, or λ/Σs, for the L2 penalty λ/(2m) Σ_l ‖W[l]‖², None without; no bias is penalised"""


def forward(
    params: Params, X: Array, activations: tuple[Activation, ...], xp: Namespace
) -> tuple[Array, Caches]:
    """Z[l] = W[l] A[l-1] + b[l],  A[l] = g(Z[l]),  for l = 1..L with A[0] = X.

    X has shape (n_x, m); returns A[L], shape (n_y, m), and one `Cache` a layer.
    """
    A = X
    caches = []
    for (W, b), g in zip(params, activations, strict=True):
        A_prev = A
        Z, A = g.forward(W @ A_prev, b, xp)
        caches.append(Cache(A_prev, Z, A))
    return A, tuple(caches)


def is_canonical(output: Activation, loss: Loss) -> bool:
    """Whether dℓ/dZ[L] = A[L] − Y for this pair."""
    return loss.canonical is not None and output.value is ACTIVATIONS[loss.canonical].value


def cost(params: Params, caches: Caches, Y: Array, objective: Objective, xp: Namespace) -> Array:
    """J = Σ_i share_i ℓ_i + ½ decay Σ_l ‖W[l]‖², a 0-d array; Y has shape (n_y, m)."""
    activations, loss, share, decay = objective
    _, Z, A = caches[-1]
    if is_canonical(activations[-1], loss) and loss.from_logits is not None:
        losses = loss.from_logits(Z, Y, xp)
    else:
        losses = loss.value(A, Y, xp)
    J = xp.sum(losses * share)
    return J if decay is None else J + penalty(params, decay, xp)


def penalty(params: Params, decay: Array | float, xp: Namespace) -> Array:
    """½ decay Σ_l ‖W[l]‖², a 0-d array."""
    flat = [xp.reshape(W, (-1,)) for W, _ in params]
    return sum(w @ w for w in flat) * (0.5 * decay)


def backward(
    params: Params, caches: Caches, Y: Array, objective: Objective, xp: Namespace
) -> Params:
    """dW[l] = dZ[l] A[l-1]ᵀ,  db[l] = Σ_i dZ[l],  dZ[l-1] = W[l]ᵀ dZ[l] * g′(Z[l-1]).

    Returns the gradients as a tuple of `Layer`, W holding dW[l] and b holding db[l].
    """
    activations, loss, share, decay = objective
    *layers, (W_next, _) = params
    *inner, (A_prev, Z, A) = caches
    *hidden, output = activations
    dZ = output_error(Z, A, Y, output, loss, xp) * share
    grads = [layer_gradients(dZ, A_prev, W_next, decay, xp)]
    for (W, _), cache, g in reversed(list(zip(layers, inner, hidden, strict=True))):
        A_prev, Z, A = cache
        dZ = g.backward(previous_dA(W_next, dZ), Z, A, xp)
        grads.append(layer_gradients(dZ, A_prev, W, decay, xp))
        W_next = W
    return tuple(reversed(grads))


def output_error(
    Z: Array, A: Array, Y: Array, output: Activation, loss: Loss, xp: Namespace
) -> Array:
    """dℓ/dZ[L]: A[L] − Y for a canonical pair, else by dA[L]; shape (n_y, m)."""
    if is_canonical(output, loss):
        return A - Y
    dA = 1.0 * output_dA(A, Y, loss, xp)  # which may be Y itself
    return output.backward(dA, Z, A, xp)


def output_dA(A: Array, Y: Array, loss: Loss, xp: Namespace) -> Array:
    """dℓ/dA[L], shape (n_y, m); by the graph if the loss has no derivative of its own."""
    if loss.derivative is None:
        return graph.grad(lambda A: graph.sum(loss.value(A, Y, graph)))(A)
    return loss.derivative(A, Y, xp)


def previous_dA(W: Array, dZ: Array) -> Array:
    """dA[l-1] = W[l]ᵀ dZ[l], shape (n[l-1], m)."""
    return W.T @ dZ


def layer_gradients(
    dZ: Array, A_prev: Array, W: Array, decay: Array | float | None, xp: Namespace
) -> Layer:
    """dW = dZ A_prevᵀ + decay W,  db = Σ_i dZ_i."""
    dW = dZ @ A_prev.T
    if decay is not None:
        dW += decay * W  # in place: the product is ours
    return Layer(dW, xp.sum(dZ, axis=1, keepdims=True))
