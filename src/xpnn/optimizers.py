"""Optimisers for `xpnn.fit`; `xpnn.core.optimizers` states their equations."""

from .core.optimizers import (
    OPTIMIZERS,
    Optimizer,
    adam,
    gradient_descent,
    momentum,
    nesterov,
    rmsprop,
)

__all__ = ["gradient_descent", "momentum", "nesterov", "rmsprop", "adam", "Optimizer", "OPTIMIZERS"]
