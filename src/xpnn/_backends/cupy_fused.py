"""What a step does entry by entry, as one kernel each: `cupy.fuse` of the functions of `core`.

A kernel costs the host some microseconds to ask for. With planar's four hundred examples that is
more than the GPU needs to compute it, and a step in plain CuPy asks for forty: Adam alone for
twelve. Matrix products and sums stay as they are, and so does what a user has written: it may do
more than go entry by entry.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType
from typing import Any, cast

from .._typing import Array, Namespace
from ..core import activations, losses, optimizers
from ..core.activations import Activation, G, GPrime
from ..core.losses import Loss, LossFunction
from ..core.optimizers import Scalars, State, Update


def fused_update(update: Update) -> Update:
    """Return an update that is one kernel."""
    if not _is_of(optimizers, update):
        return update

    def one_kernel(
        theta: Array, g: Array, state: State, scalars: Scalars, xp: Namespace
    ) -> tuple[Array, State]:
        _update(update, len(state), xp)(theta, g, *state, *scalars)
        return theta, state

    return one_kernel


def fused_activation(g: Activation) -> Activation:
    """Return an activation that is one kernel forward and one backward."""
    ours = type(g) is Activation and _is_of(activations, g.value, g.derivative)
    if not ours or g.value is activations.identity:
        return g
    return FusedActivation(g.value, g.derivative, g.name)


def fused_loss(loss: Loss) -> Loss:
    """Return a loss whose functions are one kernel each."""
    names = ("value", "derivative", "from_logits")
    return replace(loss, **{name: _fused(getattr(loss, name)) for name in names})


def _is_of(module: ModuleType, *functions: Any) -> bool:
    """Whether all are functions of a module of `xpnn.core`."""
    return all(getattr(f, "__module__", None) == module.__name__ for f in functions)


@dataclass(frozen=True)
class FusedActivation(Activation):
    """An activation that adds the bias in the kernel of g, and multiplies in that of g′."""

    def forward(self, Z: Array, b: Array, xp: Namespace) -> tuple[Array, Array]:
        """Z ← Z + b,  A = g(Z)."""
        A = _forward(self.value, xp)(Z, b)
        return Z, A

    def backward(self, dA: Array, Z: Array, A: Array, xp: Namespace) -> Array:
        """dZ = dA * g′(Z)."""
        _backward(cast(GPrime, self.derivative), xp)(dA, Z, A)
        return dA


# Each is kept: to make a kernel anew takes seconds.


@cache
def _update(update: Update, slots: int, xp: Namespace) -> Callable[..., None]:
    def move(theta: Array, g: Array, *rest: Any) -> None:
        update(theta, g, rest[:slots], rest[slots:], xp)

    return _kernel(move, update)


@cache
def _forward(g: G, xp: Namespace) -> Callable[[Array, Array], Array]:
    def forward(Z: Array, b: Array) -> Array:
        Z += b
        return g(Z, xp)

    return _kernel(forward, g)


@cache
def _backward(derivative: GPrime, xp: Namespace) -> Callable[[Array, Array, Array], None]:
    def backward(dA: Array, Z: Array, A: Array) -> None:
        dA *= derivative(Z, A, xp)

    return _kernel(backward, derivative)


@cache
def _loss(function: LossFunction, xp: Namespace) -> Callable[[Array, Array], Array]:
    def of_two(A: Array, Y: Array) -> Array:
        return function(A, Y, xp)

    return _kernel(of_two, function)


def _fused(function: Any) -> Any:
    """Return one function of a loss as one kernel, if it is ours and goes entry by entry."""
    of_columns = function is losses.categorical_cross_entropy_from_logits
    if not _is_of(losses, function) or of_columns:
        return function

    def of_two(A: Array, Y: Array, xp: Namespace) -> Array:
        return _loss(function, xp)(A, Y)

    return of_two


def _kernel(function: Callable[..., Any], of: Any) -> Callable[..., Any]:
    """Return the kernel of a function of arrays and numbers, named after a function of `core`."""
    import cupy

    made = cupy.fuse(kernel_name=f"xpnn_{of.__name__.strip('_')}")(function)
    return cast(Callable[..., Any], made)
