"""The networks and data that the benchmarks train: sizes as in the notes and in common use."""

from dataclasses import dataclass

import numpy as np

from .._typing import Array
from ..network import Network


@dataclass(frozen=True)
class Workload:
    """One network with data of its size.

    Parameters
    ----------
    name : str
    sizes : tuple of int
    hidden, output : str
        Activations.
    m : int
        Number of examples.
    batch_size : int or None
    epochs : int
        So many make a run of 50 to 500 ms on NumPy.
    """

    name: str
    sizes: tuple[int, ...]
    hidden: str
    output: str
    m: int
    batch_size: int | None
    epochs: int

    @property
    def net(self) -> Network:
        """The network."""
        return Network(self.sizes, hidden=self.hidden, output=self.output)

    def rows(self, seed: int = 0) -> tuple[Array, Array]:
        """Return X (m, n_x) and Y (m, n_y), float32, standard normal and random classes."""
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((self.m, self.sizes[0]), dtype=np.float32)
        if self.output == "sigmoid":
            Y = rng.integers(0, 2, (self.m, 1)).astype(np.float32)
        else:
            Y = np.eye(self.sizes[-1], dtype=np.float32)[rng.integers(0, self.sizes[-1], self.m)]
        return X, Y


WORKLOADS = (
    Workload("planar 2-4-1, 400, full batch", (2, 4, 1), "tanh", "sigmoid", 400, None, 1024),
    Workload("64-64-32-10, batch 32", (64, 64, 32, 10), "relu", "softmax", 1792, 32, 10),
    Workload("784-256-128-10, batch 128", (784, 256, 128, 10), "relu", "softmax", 6400, 128, 10),
)
