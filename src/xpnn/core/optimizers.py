"""Optimisers: how θ follows the gradient g of the cost, elementwise.

| name             | equations                                                        |
|------------------|------------------------------------------------------------------|
| gradient_descent | θ ← θ − α g                                                      |
| momentum         | v ← β v + (1−β) g;  θ ← θ − α v                                  |
| nesterov         | v ← μ v − α g;  θ ← θ + μ v − α g                                |
| rmsprop          | s ← β s + (1−β) g²;  θ ← θ − α g / (√s + ε)                      |
| adam             | v ← β₁ v + (1−β₁) g;  s ← β₂ s + (1−β₂) g²;                      |
|                  | v̂ = v/(1−β₁ᵗ);  ŝ = s/(1−β₂ᵗ);  θ ← θ − α v̂ / (√ŝ + ε)           |

scikit-learn's forms, for its face:

| name             | equations                                                        |
|------------------|------------------------------------------------------------------|
| sklearn_sgd      | v ← μ v − α g;  θ ← θ + v, or as nesterov                        |
| sklearn_adam     | v, s as adam;  θ ← θ − α √(1−β₂ᵗ)/(1−β₁ᵗ) v / (√s + ε)           |

An optimiser is two pure parts: ``scalars(alpha, t)`` works out, on the host and in
double precision, the numbers of step t = 1, 2, …; ``update`` applies them to the
arrays. So nothing that changes from step to step is built into a compiled step.
Both are made of functions of this module and numbers: an optimiser can be pickled
and compared, and ``OPTIMIZERS[name](learning_rate, *hyperparameters)`` makes it anew.

``update`` *consumes* θ, g and the state: they may be overwritten, use what it
returns. `xpnn.fit` never hands it an array of the caller's.

Examples
--------
>>> import numpy as np
>>> from xpnn import optimizers
>>> descent = optimizers.gradient_descent(0.5)
>>> theta, g = np.asarray([1.0, 2.0]), np.asarray([0.2, -0.2])
>>> theta, state = descent.update(theta, g, descent.init(theta, np), descent.scalars(0.5, 1), np)
>>> theta
array([0.9, 2.1])
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from .._typing import Array, Namespace
from ..exceptions import ArgumentError
from ..validation.numbers import at_least_0, fraction, real_number
from .schedules import Schedule

State: TypeAlias = tuple[Array, ...]
Scalars: TypeAlias = tuple[float, ...]
Update: TypeAlias = Callable[[Array, Array, State, Scalars, Namespace], tuple[Array, State]]


@dataclass(frozen=True, repr=False)
class Optimizer:
    """A rule with its hyperparameters; make one with a function of this module.

    Attributes
    ----------
    name : str
    learning_rate : float or callable (epoch) -> float
        α, or a schedule of it.
    hyperparameters : tuple of float
        The others, such as β₁, β₂ and ε, in the order in which its function takes them.
    formula : callable (alpha, t, β, …) -> tuple
        What ``scalars`` works out, for numbers and for arrays: with operators, not with `math`.
    update : callable (theta, g, state, scalars, xp) -> (theta, state)
        One step. Consumes theta, g and state.
    slots : int
        How many arrays like θ the state holds.
    """

    name: str
    learning_rate: float | Schedule
    hyperparameters: tuple[float, ...]
    formula: Callable[..., tuple[Any, ...]]
    update: Update
    slots: int

    def __repr__(self) -> str:
        return f"<{self.name}, learning rate {self.learning_rate}>"

    def scalars(self, alpha: Any, t: Any) -> tuple[Any, ...]:
        """Return the numbers that ``update`` needs at step t, counted from 1.

        Of many steps at once if α and t are arrays, with one entry a step.
        """
        return self.formula(alpha, t, *self.hyperparameters)

    def init(self, theta: Array, xp: Namespace) -> State:
        """Return the state before the first step: zeros."""
        return tuple(xp.zeros_like(theta) for _ in range(self.slots))

    def rates(self, epoch: int, epochs: int) -> list[float]:
        """α of some epochs, the first counted from 0."""
        if callable(self.learning_rate):
            return [self.rate(epoch + i) for i in range(epochs)]
        return [self.rate(epoch)] * epochs

    def rate(self, epoch: int) -> float:
        """α of an epoch, counted from 0; raises unless 0 < α < ∞, or 0 by a schedule."""
        scheduled = callable(self.learning_rate)
        alpha = self.learning_rate(epoch) if callable(self.learning_rate) else self.learning_rate
        if type(alpha) is float and 0.0 < alpha < float("inf"):  # at once: it is asked every epoch
            return alpha
        alpha = real_number("learning_rate", alpha, "a finite number above 0")
        if not (0.0 < alpha < float("inf") or (scheduled and alpha == 0.0)):
            raise ArgumentError(
                f"learning_rate: expected a finite number above 0, found {alpha!r} at epoch "
                f"{epoch}; try 0.001 with adam or 0.1 with gradient_descent."
            )
        return alpha


def gradient_descent(learning_rate: float | Schedule = 0.1) -> Optimizer:
    """θ ← θ − α g.

    Parameters
    ----------
    learning_rate : float or callable (epoch) -> float
        α > 0, or a schedule of it.

    Examples
    --------
    >>> from xpnn import optimizers
    >>> optimizers.gradient_descent(0.5)
    <gradient_descent, learning rate 0.5>
    """
    return Optimizer(
        "gradient_descent",
        learning_rate,
        hyperparameters=(),
        formula=_gradient_descent_scalars,
        update=_gradient_descent_update,
        slots=0,
    )


def _gradient_descent_scalars(alpha: float, t: int) -> Scalars:
    return (alpha,)


def _gradient_descent_update(
    theta: Array, g: Array, state: State, scalars: Scalars, xp: Namespace
) -> tuple[Array, State]:
    (alpha,) = scalars
    g *= alpha
    theta -= g
    return theta, state


def momentum(learning_rate: float | Schedule = 0.1, beta: float = 0.9) -> Optimizer:
    """v ← β v + (1−β) g;  θ ← θ − α v.

    The course's form: v is a moving average of g, so α keeps its meaning when β
    changes. scikit-learn's v ← μ v − α g moves 1/(1−β) times as far.

    Parameters
    ----------
    learning_rate : float or callable (epoch) -> float
        α > 0, or a schedule of it.
    beta : float
        β in [0, 1).

    Raises
    ------
    ArgumentError, ArgumentTypeError

    Examples
    --------
    >>> from xpnn import optimizers, schedules
    >>> optimizers.momentum(schedules.step_decay(0.1, factor=0.5, every=10)).rate(epoch=10)
    0.05
    """
    beta = fraction("beta", beta)
    return Optimizer(
        "momentum",
        learning_rate,
        hyperparameters=(beta,),
        formula=_momentum_scalars,
        update=_momentum_update,
        slots=1,
    )


def _momentum_scalars(alpha: float, t: int, beta: float) -> Scalars:
    return alpha, beta, 1.0 - beta


def _momentum_update(
    theta: Array, g: Array, state: State, scalars: Scalars, xp: Namespace
) -> tuple[Array, State]:
    (v,) = state
    alpha, beta, one_minus_beta = scalars
    v *= beta
    g *= one_minus_beta
    v += g
    theta -= alpha * v
    return theta, (v,)


def nesterov(learning_rate: float | Schedule = 0.1, mu: float = 0.9) -> Optimizer:
    """v ← μ v − α g;  θ ← θ + μ v − α g: Nesterov's momentum, as scikit-learn states it.

    Parameters
    ----------
    learning_rate : float or callable (epoch) -> float
        α > 0, or a schedule of it.
    mu : float
        μ in [0, 1).

    Raises
    ------
    ArgumentError, ArgumentTypeError

    Examples
    --------
    >>> from xpnn import optimizers
    >>> optimizers.nesterov(0.1, mu=0.95).scalars(0.1, 1)
    (0.1, 0.95)
    """
    mu = fraction("mu", mu)
    return Optimizer(
        "nesterov",
        learning_rate,
        hyperparameters=(mu,),
        formula=_nesterov_scalars,
        update=_nesterov_update,
        slots=1,
    )


def _nesterov_scalars(alpha: float, t: int, mu: float) -> Scalars:
    return alpha, mu


def _nesterov_update(
    theta: Array, g: Array, state: State, scalars: Scalars, xp: Namespace
) -> tuple[Array, State]:
    (v,) = state
    alpha, mu = scalars
    g *= alpha
    v *= mu
    v -= g
    theta += mu * v
    theta -= g
    return theta, (v,)


def rmsprop(
    learning_rate: float | Schedule = 1e-3, beta: float = 0.9, epsilon: float = 1e-8
) -> Optimizer:
    """s ← β s + (1−β) g²;  θ ← θ − α g / (√s + ε).

    Parameters
    ----------
    learning_rate : float or callable (epoch) -> float
        α > 0, or a schedule of it.
    beta : float
        β in [0, 1).
    epsilon : float
        ε ≥ 0, finite.

    Raises
    ------
    ArgumentError, ArgumentTypeError

    Examples
    --------
    >>> from xpnn import optimizers
    >>> optimizers.rmsprop().slots  # s
    1
    """
    beta, epsilon = fraction("beta", beta), at_least_0("epsilon", epsilon)
    return Optimizer(
        "rmsprop",
        learning_rate,
        hyperparameters=(beta, epsilon),
        formula=_rmsprop_scalars,
        update=_rmsprop_update,
        slots=1,
    )


def _rmsprop_scalars(alpha: float, t: int, beta: float, epsilon: float) -> Scalars:
    return alpha, beta, 1.0 - beta, epsilon


def _rmsprop_update(
    theta: Array, g: Array, state: State, scalars: Scalars, xp: Namespace
) -> tuple[Array, State]:
    (s,) = state
    alpha, beta, one_minus_beta, epsilon = scalars
    s *= beta
    s += one_minus_beta * (g * g)
    g *= alpha
    theta -= g / (xp.sqrt(s) + epsilon)
    return theta, (s,)


def adam(
    learning_rate: float | Schedule = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> Optimizer:
    """v ← β₁ v + (1−β₁) g;  s ← β₂ s + (1−β₂) g²;  θ ← θ − α v̂ / (√ŝ + ε).

    v̂ = v/(1−β₁ᵗ) and ŝ = s/(1−β₂ᵗ) (Kingma and Ba 2015, https://arxiv.org/abs/1412.6980).
    Both corrections are numbers, not arrays: multiplied through by √(1−β₂ᵗ), the step is
    α_t v / (√s + ε_t) with α_t = α √(1−β₂ᵗ)/(1−β₁ᵗ) and ε_t = ε √(1−β₂ᵗ).

    Parameters
    ----------
    learning_rate : float or callable (epoch) -> float
        α > 0, or a schedule of it.
    beta1, beta2 : float
        β₁ and β₂ in [0, 1).
    epsilon : float
        ε ≥ 0, finite.

    Raises
    ------
    ArgumentError, ArgumentTypeError

    Examples
    --------
    >>> from xpnn import optimizers
    >>> optimizers.adam(1e-3).slots  # v and s
    2
    """
    beta1, beta2 = fraction("beta1", beta1), fraction("beta2", beta2)
    epsilon = at_least_0("epsilon", epsilon)
    return Optimizer(
        "adam",
        learning_rate,
        hyperparameters=(beta1, beta2, epsilon),
        formula=_adam_scalars,
        update=_adam_update,
        slots=2,
    )


def _adam_scalars(alpha: float, t: int, beta1: float, beta2: float, epsilon: float) -> Scalars:
    root = (1.0 - beta2**t) ** 0.5
    alpha_t = alpha * root / (1.0 - beta1**t)
    return alpha_t, epsilon * root, beta1, 1.0 - beta1, beta2, 1.0 - beta2


def _adam_update(
    theta: Array, g: Array, state: State, scalars: Scalars, xp: Namespace
) -> tuple[Array, State]:
    v, s = state
    alpha_t, epsilon_t, beta1, one_minus_beta1, beta2, one_minus_beta2 = scalars
    s *= beta2
    s += one_minus_beta2 * (g * g)
    v *= beta1
    g *= one_minus_beta1
    v += g
    theta -= alpha_t * v / (xp.sqrt(s) + epsilon_t)
    return theta, (v, s)


def sklearn_sgd(learning_rate: float | Schedule, momentum: float, nesterov: bool) -> Optimizer:
    """v ← μ v − α g;  θ ← θ + v, or with Nesterov's momentum θ ← θ + μ v − α g.

    scikit-learn's form: v is a sum of steps, not an average of gradients. Without momentum
    both are gradient descent, which holds no v.

    Parameters
    ----------
    learning_rate : float or callable (epoch) -> float
        α > 0, or a schedule of it.
    momentum : float
        μ in [0, 1], 1 included.
    nesterov : bool

    Raises
    ------
    ArgumentError, ArgumentTypeError

    Examples
    --------
    >>> from xpnn.core.optimizers import sklearn_sgd
    >>> sklearn_sgd(0.1, momentum=1.0, nesterov=True).scalars(0.1, 1)
    (0.1, 1.0)
    >>> sklearn_sgd(0.1, momentum=0.0, nesterov=True)
    <gradient_descent, learning rate 0.1>
    """
    mu = fraction("momentum", momentum, or_1=True)
    if mu == 0.0:
        return gradient_descent(learning_rate)
    return Optimizer(
        "sklearn_sgd",
        learning_rate,
        hyperparameters=(mu,),
        formula=_nesterov_scalars,
        update=_nesterov_update if nesterov else _velocity_update,
        slots=1,
    )


def _velocity_update(
    theta: Array, g: Array, state: State, scalars: Scalars, xp: Namespace
) -> tuple[Array, State]:
    (v,) = state
    alpha, mu = scalars
    g *= alpha
    v *= mu
    v -= g
    theta += v
    return theta, (v,)


def sklearn_adam(
    learning_rate: float | Schedule, beta_1: float, beta_2: float, epsilon: float
) -> Optimizer:
    """v, s as `adam`;  θ ← θ − α √(1−β₂ᵗ)/(1−β₁ᵗ) v / (√s + ε).

    scikit-learn's form, that of the end of section 2 of Kingma and Ba
    (https://arxiv.org/abs/1412.6980): ε is added to √s and not to √ŝ, so in the first steps
    it weighs 1/√(1−β₂ᵗ) times as much as in `adam`.

    Parameters
    ----------
    learning_rate : float or callable (epoch) -> float
        α > 0, or a schedule of it.
    beta_1, beta_2 : float
        β₁ and β₂ in [0, 1).
    epsilon : float
        ε ≥ 0, finite.

    Raises
    ------
    ArgumentError, ArgumentTypeError

    Examples
    --------
    >>> from xpnn.core.optimizers import sklearn_adam
    >>> sklearn_adam(1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-8).scalars(1e-3, t=5)[1]
    1e-08
    """
    beta_1, beta_2 = fraction("beta_1", beta_1), fraction("beta_2", beta_2)
    return Optimizer(
        "sklearn_adam",
        learning_rate,
        hyperparameters=(beta_1, beta_2, at_least_0("epsilon", epsilon)),
        formula=_sklearn_adam_scalars,
        update=_adam_update,
        slots=2,
    )


def _sklearn_adam_scalars(
    alpha: float, t: int, beta1: float, beta2: float, epsilon: float
) -> Scalars:
    alpha_t, _, *betas = _adam_scalars(alpha, t, beta1, beta2, epsilon)
    return alpha_t, epsilon, *betas


OPTIMIZERS = {make.__name__: make for make in (gradient_descent, momentum, nesterov, rmsprop, adam)}
