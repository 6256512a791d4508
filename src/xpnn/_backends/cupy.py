"""CuPy: NumPy's interface on CUDA GPUs.

CuPy imports without a GPU and fails at the first allocation, hence the checks in
`xpnn.backends`. Its functions work on the *current* device of the calling thread,
so that `CupyBackend.current` stands around everything done on another one.
"""

import platform
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any

from .._typing import Array
from ..core.activations import Activation
from ..core.losses import Loss
from ..core.optimizers import Update
from .audit import TO_DEVICE, WAIT
from .base import IN_FLIGHT, Backend, CopyAsync
from .cupy_fused import fused_activation, fused_loss, fused_update
from .faults import translate_device_errors


@cache
def copying_stream(device: int) -> Any:
    """Return the stream of a GPU that copies beside what is computed."""
    import cupy

    with cupy.cuda.Device(device):
        return cupy.cuda.Stream(non_blocking=True)


class CupyBackend(Backend):
    """CuPy arrays on one GPU."""

    name = "cupy"
    module = "array_api_compat.cupy"
    distributions = ("cupy-cuda12x", "cupy-cuda13x", "cupy-cuda11x", "cupy")
    no_device = (
        "Install or update NVIDIA's driver, and CuPy for the CUDA version that nvidia-smi shows."
    )
    full_precision = "Unset the environment variable CUPY_TF32."
    cure = "pip install 'xpnn[cuda12]' or 'xpnn[cuda13]', by the CUDA version nvidia-smi shows"

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """Name the GPUs; without a driver or a GPU this raises ``CUDARuntimeError``."""
        import cupy

        return tuple(f"cuda:{i}" for i in range(cupy.cuda.runtime.getDeviceCount()))

    @classmethod
    def find_device(cls, name: str) -> Any:
        import cupy

        if name == "cuda" or name.isdigit():
            name = f"cuda:{name if name.isdigit() else 0}"
        return cupy.cuda.Device(int(super().find_device(name).partition(":")[2]))

    @property
    def device_name(self) -> str:
        return f"cuda:{self.device.id}"

    @classmethod
    def owns(cls, x: Any) -> bool:
        cupy = sys.modules.get("cupy")
        return cupy is not None and isinstance(x, cupy.ndarray)

    @contextmanager
    def async_copies(self) -> Iterator[CopyAsync]:
        import cupy
        import cupyx

        computing, copying = cupy.cuda.get_current_stream(), copying_stream(self.device.id)
        in_flight: deque[tuple[Any, Array, Any]] = deque()

        def copy_async(x: Any) -> Callable[[], Array]:
            if len(in_flight) == IN_FLIGHT:
                *_, copied = in_flight.popleft()
                self.record(WAIT, 0)
                copied.synchronize()
            self.record(TO_DEVICE, x.nbytes)
            # from memory that the system cannot move away, the copy goes on by itself; CuPy reuses
            # that memory, and moved's, once the arrays are dropped: both are kept until it is over
            pinned = cupyx.empty_pinned(x.shape, x.dtype)
            pinned[...] = x
            moved = cupy.empty(x.shape, x.dtype)
            copying.wait_event(computing.record())  # what was asked for may use its memory yet
            moved.set(pinned, stream=copying)
            copied = copying.record()
            in_flight.append((pinned, moved, copied))

            def arrived() -> Array:
                computing.wait_event(copied)
                return moved

            return arrived

        try:
            yield copy_async
        finally:
            self.record(WAIT, 0)
            copying.synchronize()

    def throttle(self, output: Array) -> None:
        """Do nothing: `async_copies` waits for copies, which wait for earlier work."""

    def free_memory(self) -> float:
        import cupy

        free, _ = cupy.cuda.runtime.memGetInfo()
        return float(free + cupy.get_default_memory_pool().free_bytes())

    def fetch(self, a: Array) -> Any:
        return a.get()

    @lru_cache  # noqa: B019  backends and communicators are few, and last
    def make_allreduce(self, comm: Any) -> Callable[[Array], Array]:
        if self._without_nccl(comm):
            return super().make_allreduce(comm)
        from cupyx.distributed import NCCLBackend

        nccl = NCCLBackend(comm.size, comm.rank, use_mpi=True)

        def allreduce(a: Array) -> Array:
            nccl.all_reduce(a, a)  # on the current stream, after what computes a
            return a

        return allreduce

    def _without_nccl(self, comm: Any) -> str:
        """Return why NCCL cannot sum, the same on every rank, and say so once; empty if it can."""
        import cupy
        from cupy.cuda import nccl

        bus = cupy.cuda.runtime.deviceGetPCIBusId(self.device.id)
        everyone = comm.gather((platform.node(), bus, bool(nccl.available)))
        reason = ""
        if not all(available for *_, available in everyone):
            reason = "CuPy has no NCCL"
        elif len({device[:2] for device in everyone}) < len(everyone):
            reason = "several ranks share a GPU"
        if reason and comm.rank == 0:
            sys.stderr.write(f"xpnn: gradients go through the host's memory, as {reason}\n")
        return reason

    def fuse(self, update: Update) -> Update:
        return fused_update(update)

    def fuse_layers(
        self, activations: tuple[Activation, ...], loss: Loss
    ) -> tuple[tuple[Activation, ...], Loss]:
        return tuple(map(fused_activation, activations)), fused_loss(loss)

    def contiguous(self, a: Array) -> Array:
        import cupy

        return cupy.ascontiguousarray(a)

    @contextmanager
    def current(self) -> Iterator[None]:
        # a new object: a Device remembers one previous device and is not re-entrant
        with translate_device_errors(self), type(self.device)(self.device.id):
            yield

    def free_cached_memory(self) -> None:
        import cupy

        cupy.get_default_memory_pool().free_all_blocks()
        cupy.get_default_pinned_memory_pool().free_all_blocks()

    def wait(self) -> None:
        self.device.synchronize()
