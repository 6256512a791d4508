"""`TrainingState`: all that decides how a training goes on, on the host.

`Loop` makes one and applies one; `Checkpoint` maps it to a file; rank 0 sends it to the others.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from .._backends.base import Carry


class Done(NamedTuple):
    """What complete epochs have left, on the device."""

    carry: Carry
    """θ and the state of the optimiser"""
    epochs: int
    """how many there were"""
    drawn: tuple[Any, Any]
    """the state of the `Shuffle`"""


class TrainingState(NamedTuple):
    """The state of a training after complete epochs; arrays are NumPy's."""

    carry: tuple[Any, ...]
    """θ and the state of the optimiser"""
    epochs: int
    drawn: tuple[Any, Any]
    """the state of the `Shuffle`: the last order, shape (m,), and the random state"""
    best: tuple[Any, ...] | None
    """``carry`` of the best epoch, if that is wanted and another epoch"""
    best_epochs: int
    series: Mapping[str, Any]
    """the lists of `History`, by their names in `SERIES`"""
    stopped: bool
    """whether ``tol`` has ended the training"""
    best_value: float
    """`Stopping.best`"""
    without_improvement: int
    rate: float | None
    """the learning rate if it is adaptive"""
