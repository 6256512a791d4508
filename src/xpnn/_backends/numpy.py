"""NumPy: the reference backend, on the CPU."""

from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

import numpy as np

from .._typing import Array
from ..core.optimizers import Update
from .base import Backend
from .fused import fused
from .threads import SMALL, give_back, one_thread


def quiet() -> AbstractContextManager[Any]:
    """Return a context in which NumPy, like every other library, does not warn of overflow.

    e^−z may overflow where 1/(1 + e^−z) is rightly 0. Numbers that are not finite
    are looked for where they matter, by `xpnn.fit`.
    """
    return np.errstate(all="ignore")


class NumpyBackend(Backend):
    """NumPy on the CPU."""

    name = "numpy"
    module = "xpnn._backends.numpy_namespace"
    distributions = ("numpy",)
    cure = "pip install numpy"
    by_layer_from = 2**16  # a quarter of a megabyte in float32

    @classmethod
    def native_dtype(cls, dtype: Any) -> Any:
        return np.dtype(dtype)

    @classmethod
    def owns(cls, x: Any) -> bool:
        return isinstance(x, np.ndarray | np.generic)

    def current(self) -> AbstractContextManager[Any]:
        return quiet()

    def restoring_settings(self) -> ExitStack:
        stack = super().restoring_settings()
        stack.callback(give_back)
        return stack

    def threads_for(self, multiplications: int) -> AbstractContextManager[Any]:
        return one_thread() if multiplications <= SMALL else nullcontext()

    def record(self, kind: str, nbytes: int) -> None:
        """Tell nothing: host and device are one."""

    def fuse(self, update: Update) -> Update:
        return fused(update)

    def contiguous(self, a: Array) -> Array:
        return np.ascontiguousarray(a) if isinstance(a, np.ndarray) else a

    def take_rows(self, a: Array, indices: Array) -> Array:
        # SciPy's sparse matrices multiply arrays from either side: all that the equations ask of X
        return a.take(indices, 0) if isinstance(a, np.ndarray) else a[indices]

    def stack(self, numbers: list[Array]) -> Array:
        return np.asarray(numbers)  # a tenth of the time of numpy.stack
