"""Demonstrations of what the notes claim, each a function and a command ``xpnn demo NAME``.

`vectorization`   explicit loops against vectorised calls, on every backend
`broadcasting`    which shapes meet, and the trap of rank-1 arrays
`symmetry`        zero, tiny and large initial weights
`activations`     g and g′
`planar`          logistic regression and hidden layers of 1 to 50 units on the flower
`depth`           parity: units that a deep and a shallow network need
`learning_rate`   cost curves for several learning rates
`scale`           accuracy against the amount of data for three sizes of network

Each returns a `Demonstration`.
"""

from .activations import activations
from .broadcasting import broadcasting
from .demonstration import Demonstration
from .depth import depth
from .learning_rate import learning_rate
from .planar import planar
from .scale import scale
from .symmetry import symmetry
from .vectorization import vectorization

__all__ = [
    "Demonstration",
    "vectorization",
    "broadcasting",
    "symmetry",
    "activations",
    "planar",
    "depth",
    "learning_rate",
    "scale",
]
