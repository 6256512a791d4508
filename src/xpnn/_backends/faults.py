"""What goes wrong on a device while it computes, said with its cure.

CuPy, PyTorch and JAX each have exceptions of their own for memory that runs out, and for a process
that was forked after CUDA had begun. `translate_device_errors` goes around what is computed on a
device.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from traceback import clear_frames

from ..exceptions import BackendError, OutOfMemoryError, XpnnError, first_line
from .base import Backend

FULL = (
    "out of memory",  # CUDA itself, PyTorch, CuPy
    "can't allocate memory",  # PyTorch on the CPU
    "RESOURCE_EXHAUSTED",  # JAX
    "ALLOC_FAILED",  # cuBLAS
)
FORKED = (
    "Cannot re-initialize CUDA in forked subprocess",  # PyTorch
    "cudaErrorInitializationError",  # CuPy
    "CUDA_ERROR_NOT_INITIALIZED",  # JAX
)


@contextmanager
def translate_device_errors(backend: Backend) -> Iterator[None]:
    """Raise what a library says of its device in our words."""
    try:
        yield
    except XpnnError:
        raise
    except (RuntimeError, MemoryError) as error:
        text = str(error)
        if isinstance(error, MemoryError) or any(sign in text for sign in FULL):
            clear_frames(error.__traceback__)  # what they hold could not be freed
            with suppress(Exception):  # it may fail, too, and would hide what has happened
                backend.free_cached_memory()
            raise OutOfMemoryError(
                f"{backend.spec} has too little memory ({first_line(error)}). What the library "
                "kept for later has been freed: try a smaller batch_size, or fewer examples at "
                "once."
            ) from error
        if any(sign in text for sign in FORKED):
            raise forked(backend.spec, f"CUDA had begun ({first_line(error)})") from error
        raise


def forked(name: str, what: str) -> BackendError:
    """Word the error for a process that was forked after something had happened."""
    return BackendError(
        f"{name} cannot be used in a process that was forked after {what}. Start it anew: "
        "multiprocessing.get_context('spawn'), or joblib's own workers."
    )
