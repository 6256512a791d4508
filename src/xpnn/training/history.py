"""What a training reports: a `History` at the end, a `Report` after each epoch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias
from zlib import crc32

from .._backends.base import Backend
from .._typing import Array
from ..core.parameters import Params, unravel

SERIES = ("cost", "validation", "learning_rate", "seconds")


@dataclass(repr=False)
class History:
    """The course of a training, one entry an epoch.

    Attributes
    ----------
    cost : list of float
        J, the mean over the epoch's mini-batches, each before its update.
    validation : list of float
        Score on the validation data after the epoch; empty without.
    learning_rate : list of float
    seconds : list of float
        Wall time. Epochs that ran as one compiled piece share its time equally.
    stopped : str
        Why training ended: ``"epochs"``, ``"tol"``, ``"callback"`` or ``"interrupted"``.
    """

    cost: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stopped: str = "epochs"

    def __len__(self) -> int:
        return len(self.cost)

    def __repr__(self) -> str:
        course = f", cost {self.cost[0]:.4g} to {self.cost[-1]:.4g}" if self.cost else ""
        return f"<History: {len(self)} epochs{course}, stopped: {self.stopped}>"

    def truncate(self, epochs: int) -> None:
        """Forget what came after so many epochs."""
        for name in SERIES:
            del getattr(self, name)[epochs:]


@dataclass(frozen=True)
class Report:
    """What a callback is told after an epoch.

    Attributes
    ----------
    epoch : int
        Number of complete epochs.
    cost, learning_rate, seconds : float
    validation : float or None
    """

    epoch: int
    cost: float
    validation: float | None
    learning_rate: float
    seconds: float
    _theta: Array = field(repr=False)
    _sizes: tuple[int, ...] = field(repr=False)
    _backend: Backend = field(repr=False)

    @property
    def params(self) -> Params:
        """A copy of the parameters after this epoch."""
        theta = self._backend.asarray(self._theta, copy=True)
        return unravel(theta, self._sizes, self._backend.xp)

    def checksum(self) -> int:
        """Return a number that tells the parameters from others, to the bit."""
        return crc32(self._backend.to_numpy(self._theta).tobytes())


Callback: TypeAlias = Callable[[Report], object]
