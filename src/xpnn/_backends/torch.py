"""PyTorch, on the CPU, CUDA, or Apple's MPS."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache, partial
from typing import Any, cast

from .._typing import Array, Namespace
from .audit import TO_DEVICE, WAIT
from .base import IN_FLIGHT, Backend, CopyAsync
from .faults import translate_device_errors


@cache
def copying_stream(device: Any) -> Any:
    """Return the stream of a GPU that copies beside what is computed."""
    import torch

    return torch.cuda.Stream(device)


@cache
def one_thread_in_children() -> None:
    """Let processes forked from now on compute with one thread, as PyTorch's DataLoader does.

    They have none of the threads of this one, for which PyTorch would wait for ever.
    """
    import torch

    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


class TorchBackend(Backend):
    """PyTorch tensors."""

    name = "torch"
    module = "array_api_compat.torch"
    distributions = ("torch",)
    full_precision = (
        "Unset the environment variable TORCH_ALLOW_TF32_CUBLAS_OVERRIDE; in a program, call "
        "torch.set_float32_matmul_precision('highest')."
    )
    cure = "pip install torch (see pytorch.org for the build that suits your GPU)"

    @classmethod
    def namespace(cls) -> Namespace:
        found = super().namespace()
        one_thread_in_children()
        return found

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """Name the devices: the CPU first, since "torch" alone should not depend on the machine."""
        import torch

        cuda = tuple(f"cuda:{i}" for i in range(torch.cuda.device_count()))
        mps = ("mps",) if torch.backends.mps.is_available() else ()
        return ("cpu", *cuda, *mps)

    @classmethod
    def find_device(cls, name: str) -> Any:
        import torch

        name = {"cuda": "cuda:0", "mps:0": "mps"}.get(name, name)
        return torch.device(super().find_device(name))

    @classmethod
    def owns(cls, x: Any) -> bool:
        torch = sys.modules.get("torch")
        return torch is not None and isinstance(x, torch.Tensor)

    def from_host(self, x: Any, dtype: Any, copy: bool | None) -> Array:
        # torch refuses negative strides, and warns of read-only memory that it would share
        if any(s < 0 for s in x.strides) or (copy is None and not x.flags.writeable):
            x = x.copy()
        return super().from_host(x, dtype, copy)

    @contextmanager
    def async_copies(self) -> Iterator[CopyAsync]:
        if self.device.type != "cuda":
            with super().async_copies() as copy_now:
                yield copy_now
            return
        import torch

        computing, copying = torch.cuda.current_stream(self.device), copying_stream(self.device)
        in_flight: deque[Any] = deque()

        def copy_async(x: Any) -> Callable[[], Array]:
            if len(in_flight) == IN_FLIGHT:
                self.record(WAIT, 0)
                in_flight.popleft().synchronize()
            self.record(TO_DEVICE, x.nbytes)
            copying.wait_stream(computing)  # not to be far ahead of it
            with torch.cuda.stream(copying):
                # from memory that the system cannot move away, the copy goes on by itself
                moved = torch.from_numpy(x).pin_memory().to(self.device, non_blocking=True)
                copied = copying.record_event()
            in_flight.append(copied)

            def arrived() -> Array:
                computing.wait_event(copied)
                moved.record_stream(computing)  # which may use its memory after it is dropped
                return moved

            return arrived

        yield copy_async

    def scan_input(self, a: Any) -> Array:
        if self.device.type != "cuda":
            return super().scan_input(a)
        import torch

        self.record(TO_DEVICE, a.nbytes)
        dtype = self.index_dtype if a.dtype.kind == "i" else self.dtype
        pinned = torch.from_numpy(a).to(dtype).pin_memory()  # or the copy waits for the device
        return pinned.to(self.device, non_blocking=True)

    def throttle(self, output: Array) -> None:
        """Do nothing on a GPU: `async_copies` waits for copies, which wait for earlier work."""
        if self.device.type != "cuda":
            super().throttle(output)

    def free_memory(self) -> float:
        if self.device.type != "cuda":
            return super().free_memory()
        import torch

        free, _ = torch.cuda.mem_get_info(self.device)
        kept = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return float(free + kept)

    def fetch(self, a: Array) -> Any:
        import torch

        if a.dtype == torch.bfloat16:  # NumPy has no such dtype
            a = a.float()
        return a.numpy(force=True)

    def current(self) -> AbstractContextManager[Any]:
        return translate_device_errors(self)

    def free_cached_memory(self) -> None:
        import torch

        torch.cuda.empty_cache()  # does nothing where CUDA has not begun
        if self.device.type == "mps":
            torch.mps.empty_cache()

    def no_grad(self) -> AbstractContextManager[Any]:
        import torch

        return cast(AbstractContextManager[Any], torch.no_grad())

    def restoring_settings(self) -> ExitStack:
        import torch

        stack = super().restoring_settings()
        stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
        return stack

    def contiguous(self, a: Array) -> Array:
        return a.contiguous()

    def wait(self) -> None:
        import torch

        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Compile with ``torch.compile``, which takes seconds to minutes the first time."""
        import torch

        return cast(Callable[..., Any], torch.compile(function, fullgraph=True))
