"""JAX: compiled by XLA, on the CPU, CUDA GPUs or TPUs."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from math import inf
from typing import Any, Self, cast

import numpy as np

from .._typing import Array
from ..exceptions import BackendError
from .audit import READ, TO_DEVICE
from .base import Backend, Carry, Reshape, Run, Step, power_of_2, same
from .faults import forked, translate_device_errors
from .numpy import quiet


class JaxBackend(Backend):
    """JAX arrays."""

    name = "jax"
    module = "jax.numpy"
    distributions = ("jax",)
    cure = "pip install 'xpnn[jax]' (or 'jax[cuda12]' for CUDA)"
    full_precision = "Set the environment variable JAX_DEFAULT_MATMUL_PRECISION=highest."
    compiled = True
    by_layer_from = 0

    @classmethod
    def create(cls, device: str = "", dtype: str = "float32") -> Self:
        check_not_forked()
        if dtype == "float64" and cls.probe().usable and not x64_enabled():
            raise BackendError(
                "backend 'jax': float64 is switched off in this process, and switching it on "
                "cannot be undone within a block; call xpnn.set_backend('jax', dtype='float64')."
            )
        return super().create(device, dtype)

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """Name the devices, JAX's own default first."""
        import jax

        found = jax.devices()
        if found[0].platform != "cpu":
            with suppress(RuntimeError):  # JAX_PLATFORMS may leave the CPU out
                found = found + jax.devices("cpu")
        return tuple(_device_name(device) for device in found)

    @classmethod
    def find_device(cls, name: str) -> Any:
        import jax

        if name in ("cuda", "gpu", "tpu", "cpu"):
            name = f"{name}:0"
        name = super().find_device(name.replace("cuda", "gpu"))
        platform, _, index = name.partition(":")
        return jax.devices(platform)[int(index)]

    @property
    def device_name(self) -> str:
        return "traced" if self.device is None else _device_name(self.device)

    @classmethod
    def device_of(cls, array: Array) -> Any:
        device = super().device_of(array)
        return device if hasattr(device, "platform") else None  # None while tracing

    @classmethod
    def native_dtype(cls, dtype: Any) -> Any:
        return np.dtype(dtype)

    @classmethod
    def enable_float64(cls) -> None:
        """Let JAX make 64-bit arrays, in the whole process and for good."""
        import jax

        jax.config.update("jax_enable_x64", True)

    @classmethod
    def owns(cls, x: Any) -> bool:
        jax = sys.modules.get("jax")
        return jax is not None and isinstance(x, jax.Array)

    @contextmanager
    def current(self) -> Iterator[None]:
        check_not_forked()
        # NumPy casts Python's numbers to float32
        with translate_device_errors(self), quiet():
            yield

    def from_host(self, x: Any, dtype: Any, copy: bool | None) -> Array:
        import jax

        check_not_forked()
        if copy is False or (np.dtype(dtype).itemsize > 4 and not x64_enabled()):
            return super().from_host(x, dtype, copy)  # which says what is wrong
        # a third of the time of jax.numpy.asarray with device=; device_put may share the memory
        # of a host array, so it gets one of our own
        return jax.device_put(np.array(x, dtype=dtype), self.device)

    def fetch(self, a: Array) -> Any:
        host = super().fetch(a)
        return host.astype(np.float32) if host.dtype.kind == "V" else host  # bfloat16: not NumPy's

    def free_memory(self) -> float:
        statistics = self.device.memory_stats() or {}  # none of the CPU
        limit = float(statistics.get("bytes_limit", inf))
        return limit - float(statistics.get("bytes_in_use", 0))

    def wait(self) -> None:
        """Wait for every live array: JAX has no way to wait for a device."""
        import jax

        jax.block_until_ready(jax.live_arrays())

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Compile with ``jax.jit``, once a shape."""
        import jax

        return cast(Callable[..., Any], jax.jit(function))

    def all_true(self, condition: Array) -> bool:
        """Read ``all(condition)``; True while tracing, when there is no value to read."""
        import jax

        if isinstance(condition, jax.core.Tracer):
            return True
        if not self._shares_host_memory(condition):
            return super().all_true(condition)
        self.record(READ, 1)
        return bool(np.asarray(condition).all())

    def all_finite(self, a: Array) -> bool:
        if not self._shares_host_memory(a):
            return super().all_finite(a)
        self.record(READ, 1)
        return bool(np.isfinite(np.asarray(a)).all())

    def _shares_host_memory(self, a: Array) -> bool:
        """Whether ``a`` lies whole on a CPU, where NumPy looks at it without a call of XLA."""
        device = self.device_of(a)
        return device is not None and device.platform == "cpu"

    def take_rows(self, a: Array, indices: Array) -> Array:
        # without the check of every index that `take` makes; they come from a permutation
        return a.at[indices].get(mode="promise_in_bounds")

    def scan(self, step: Step, split: Reshape = same, join: Reshape = same) -> Run:
        """Compile the whole run: no Python between its steps.

        The number of steps is a value, not a shape: rows are padded to a power of two from 64 up,
        from 1024 if they hold nothing but numbers, so that runs of different lengths share one
        compiled program.
        """
        import jax

        def loop(
            carry: Carry, data: tuple[Array, ...], rows: tuple[Array, ...], steps: int
        ) -> tuple[Carry, Array]:
            def body(i: int, carry_and_outputs: Any) -> Any:
                carry, outputs = carry_and_outputs
                *arrays, numbers = (a[i] for a in rows)
                carry, output = step(carry, data, tuple(arrays), tuple(numbers))
                return carry, outputs.at[i].set(output)

            outputs = jax.numpy.zeros(rows[-1].shape[0], dtype=self.dtype)
            carry, outputs = jax.lax.fori_loop(0, steps, body, (split(carry), outputs))
            return join(carry), outputs

        compiled = jax.jit(loop)

        def run(
            carry: Carry,
            data: tuple[Array, ...],
            arrays: tuple[Any, ...],
            widths: list[int],
            numbers: Any,
        ) -> tuple[Carry, Array]:
            steps = len(numbers)
            least = 64 if arrays else 1024
            padding = max(least, power_of_2(steps)) - steps
            host = (*arrays, numbers)
            rows = tuple(
                _padded(a, steps + padding, np.int32 if a.dtype.kind == "i" else self.dtype)
                for a in host
            )
            for a in rows:
                self.record(TO_DEVICE, a.nbytes)
            return cast(tuple[Carry, Array], compiled(carry, data, rows, steps))

        return run


def _padded(a: Any, rows: int, dtype: Any) -> Any:
    """Return a host array with rows of zeros below, a tenth of the time of numpy.pad."""
    padded = np.zeros((rows, *a.shape[1:]), dtype=dtype)
    padded[: len(a)] = a
    return padded


@cache
def first_process() -> int:
    """Return the process in which JAX has begun."""
    return os.getpid()


def check_not_forked() -> None:
    """Raise in a process forked since: it has none of XLA's threads, and would wait for ever."""
    if first_process() != os.getpid():
        raise forked("jax", "JAX had begun")


def x64_enabled() -> bool:
    """Whether JAX makes 64-bit arrays in this process."""
    import jax

    return bool(jax.config.jax_enable_x64)


def _device_name(device: Any) -> str:
    return f"{device.platform}:{device.id}"
