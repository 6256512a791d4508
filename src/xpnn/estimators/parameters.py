"""The parameters of the perceptrons: which values they take, and what they mean."""

import inspect
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from .._backends.base import DTYPES
from ..core.activations import ACTIVATIONS, Activation
from ..core.optimizers import Optimizer
from ..distributed.processes import Communicator
from ..training.checkpoint import Checkpoint
from .registry import OUR_NAMES

E = TypeVar("E")
HIDDEN = {*ACTIVATIONS, *OUR_NAMES} - {"softmax"}
SOLVERS = {"lbfgs", "sgd", "adam", "rmsprop"}

WHERE_AND_HOW: dict[str, Any] = {
    "backend": [str, None],
    "dtype": [StrOptions(set(DTYPES)), None],
    "callbacks": "no_validation",  # by check_callbacks
    "checkpoint": [Checkpoint, None],
    "communicator": [Communicator, None],
}
"""Which values the parameters take that all estimators add to scikit-learn's."""


CONSTRAINTS: dict[str, Any] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(HIDDEN), Activation],
    "solver": [StrOptions(SOLVERS), Optimizer],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [
        Interval(Integral, 1, None, closed="left"),
        Options(Real, {np.inf}),
    ],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    **WHERE_AND_HOW,
}
"""Which values all parameters of the perceptrons take."""

OUR_PARAMETERS = """\
backend : str, optional
    As `xpnn.set_backend` takes it: ``"cupy"``, ``"torch:cuda:1"``. Without, X's own library, or
    the selected backend if X is host data.
dtype : {"float32", "float64"}, optional
    Without, that of X, float64 for integers; float32 where the device, or JAX as it is set,
    has no float64. float64 on JAX switches 64-bit arrays on for the whole process.
callbacks : sequence of callable (Report) -> object
    Called after each epoch; one that returns True ends the training.
checkpoint : Checkpoint, optional
    Where to write the state down every so many epochs.
communicator : Communicator, optional
    `xpnn.distributed.communicator`: X and y are this process's shard of the examples, and the
    model is that of all the shares together.
"""
PARAMETERS = """\
hidden_layer_sizes : int or array-like of int
    Units of each hidden layer.
activation : {"relu", "tanh", "logistic", "identity", "leaky_relu", "exp"} or Activation
    Of the hidden layers; ``"sigmoid"`` is another name of ``"logistic"``.
solver : {"adam", "sgd", "lbfgs", "rmsprop"} or Optimizer
    One of `xpnn.optimizers` brings its own learning rate and hyperparameters. ``lbfgs`` takes
    no ``checkpoint`` and no ``communicator``.
alpha : float
    λ of the penalty λ/(2m) Σ ‖W[l]‖², m the size of the mini-batch.
batch_size : int or "auto"
    ``"auto"`` is 200, or all examples if there are fewer. ``lbfgs`` takes all.
learning_rate : {"constant", "invscaling", "adaptive"}
    For ``sgd``: α₀; α₀ / (t + 1)^power_t after t examples; or α divided by 5 whenever
    training would stop, until it is 1e-6.
learning_rate_init : float
    α₀.
power_t : float
max_iter : int
    Epochs, or iterations of ``lbfgs``.
shuffle : bool
    Whether every epoch draws a new order.
random_state : int, RandomState or None
    For the first weights, the order and the validation set, in scikit-learn's order of draws.
tol : float
    Stop when the loss, or the validation score, has not improved by ``tol`` for more than
    ``n_iter_no_change`` epochs; ``lbfgs`` stops when no entry of the gradient is larger.
verbose : bool
    Whether to print each epoch.
warm_start : bool
    Whether `fit` goes on from the parameters there are.
momentum : float
    μ of ``sgd``: v ← μ v − α g.
nesterovs_momentum : bool
early_stopping : bool
    Whether to set a part of the data aside, to stop by its score, and to keep the best
    parameters. Not with a ``communicator``.
validation_fraction : float
    How large a part.
beta_1, beta_2, epsilon : float
    β₁, β₂ and ε of ``adam``.
n_iter_no_change : int, or infinity
max_fun : int
    How often ``lbfgs`` may evaluate the loss.
"""
ATTRIBUTES = """\
network_, params_ : Network, tuple of Layer
    The model as the core has it: its network, and the parameters as columns on the backend.
coefs_, intercepts_ : list of array, shapes (n_in, n_out) and (n_out,)
    Of each layer, on the backend. They may be written to.
loss_, loss_curve_ : float, list of float
    The loss of the last epoch, and of each.
best_loss_ : float or None
validation_scores_, best_validation_score_ : list of float, float or None
    With ``early_stopping``.
n_iter_, t_ : int
    Epochs, and examples seen.
n_layers_, n_outputs_, out_activation_, n_features_in_
    The network: its layers with the input, units and activation of the output, inputs.
feature_names_in_ : array, shape (n_features,)
    If X has names.
"""
NOTES = """\
What X is decides where the work runs, and what comes back. A device array stays on its device;
y and the weights follow it. pandas and polars frames, lists and sparse matrices are host data;
sparse ones stay sparse on NumPy and become dense elsewhere. Predictions have the dtype of the
model.

Where scikit-learn's losses differ from the notes', its own are reported: probabilities are
clipped to [ε, 1 − ε] of the dtype. Long runs of ``lbfgs`` part from its own at rounding
errors, which that method amplifies.
"""

TEXTS = {
    "{PARAMETERS}": PARAMETERS + OUR_PARAMETERS,
    "{OUR_PARAMETERS}": OUR_PARAMETERS,
    "{ATTRIBUTES}": ATTRIBUTES,
    "{NOTES}": NOTES,
}


def documented(estimator: type[E]) -> type[E]:
    """Put the texts above where the docstring of a class names them."""
    doc = inspect.cleandoc(estimator.__doc__ or "")
    for name, text in TEXTS.items():
        doc = doc.replace(name, text.rstrip())
    estimator.__doc__ = doc
    return estimator


def set_parameters(estimator: Any, given: dict[str, Any]) -> None:
    """Set the parameters of an estimator to the ``locals()`` of its ``__init__``."""
    for name, value in given.items():
        if name != "self":
            setattr(estimator, name, value)
