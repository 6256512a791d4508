"""The networks and data that the benchmarks train: sizes as in the notes and in common use."""

from dataclasses import dataclass

import numpy as np

from .._typing import Array
from ..core.optimizers import Optimizer, adam, gradient_descent
from ..network import Network


@dataclass(frozen=True)
class Workload:
    """One network with data of its size, in float32.

    Parameters
    ----------
    name : str
    sizes : tuple of int
    hidden, output : str
        Activations.
    m : int
        Number of examples.
    batch_size : int or None
        None for the full batch; else a divisor of m.
    epochs : int
        So many make a run of 50 ms to 1 s on NumPy, on one core.
    gpu_only : bool
        Whether a processor would take minutes.

    Examples
    --------
    >>> from xpnn.bench import WORKLOADS
    >>> WORKLOADS[0].steps
    1024
    >>> X, Y = WORKLOADS[0].rows()
    >>> X.shape, Y.shape
    ((400, 2), (400, 1))
    """

    name: str
    sizes: tuple[int, ...]
    hidden: str
    output: str
    m: int
    batch_size: int | None
    epochs: int
    gpu_only: bool = False

    @property
    def net(self) -> Network:
        """The network."""
        return Network(self.sizes, hidden=self.hidden, output=self.output)

    @property
    def batch(self) -> int:
        """Examples a step."""
        return self.batch_size or self.m

    @property
    def steps(self) -> int:
        """Steps of a run."""
        return self.epochs * self.m // self.batch

    def rows(self) -> tuple[Array, Array]:
        """Return X (m, n_x) and Y (m, n_y), float32, standard normal and random classes."""
        rng = np.random.default_rng(0)
        X = rng.standard_normal((self.m, self.sizes[0]), dtype=np.float32)
        if self.output == "sigmoid":
            Y = rng.integers(0, 2, (self.m, 1)).astype(np.float32)
        else:
            Y = np.eye(self.sizes[-1], dtype=np.float32)[rng.integers(0, self.sizes[-1], self.m)]
        return X, Y


DIGITS, WIDE, WIDEST = (64, 64, 32, 10), (1024, 1024, 1024, 10), (4096, 4096, 4096, 10)

WORKLOADS = (
    Workload("2-4-1, 400, full batch", (2, 4, 1), "tanh", "sigmoid", 400, None, 1024),
    Workload(
        "12288-20-7-5-1, 209, full batch", (12288, 20, 7, 5, 1), "relu", "sigmoid", 209, None, 48
    ),
    Workload("64-64-32-10, batch 32", DIGITS, "relu", "softmax", 1792, 32, 10),
    Workload("64-64-32-10, batch 200", DIGITS, "relu", "softmax", 1800, 200, 20),
    Workload("784-256-128-10, batch 128", (784, 256, 128, 10), "relu", "softmax", 6400, 128, 2),
    Workload("1024-1024-1024-10, batch 1024", WIDE, "relu", "softmax", 2048, 1024, 2),
    Workload(
        "4096-4096-4096-10, batch 8192", WIDEST, "relu", "softmax", 16384, 8192, 2, gpu_only=True
    ),
)

OPTIMIZERS: dict[str, Optimizer] = {
    "gradient descent": gradient_descent(0.01),
    "Adam": adam(0.001),
}
