"""What a backend is: an array library, a device, a dtype, and what the standard leaves out.

`Backend` works for any library that follows the Python Array API standard; a
subclass says how one library names its devices, moves arrays, waits and compiles.
Another package joins by deriving from it and naming the class in the entry-point
group ``xpnn.backends``.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from math import inf
from typing import Any, ClassVar, Self, TypeAlias

import array_api_compat
import numpy as np

from .._typing import Array, Namespace
from ..core.activations import Activation
from ..core.losses import Loss
from ..core.optimizers import Update
from ..exceptions import ArgumentError, ArgumentTypeError, BackendError, first_line, unknown_name
from .audit import READ, TO_DEVICE, TO_HOST, WAIT, record
from .host import check_real, host_array
from .registry import Registrable
from .status import BackendStatus

DTYPES = ("float32", "float64")
TRY_OUT_FAILED = "a tiny computation failed"
IN_FLIGHT = 4
"""Copies to a device that may be under way: X and Y of two chunks."""

Carry: TypeAlias = tuple[Any, ...]
Step: TypeAlias = Callable[[Carry, tuple[Array, ...], tuple[Array, ...], Any], tuple[Carry, Array]]
Run: TypeAlias = Callable[
    [Carry, tuple[Array, ...], tuple[Any, ...], list[int], Any],
    tuple[Carry, Array],
]

Reshape: TypeAlias = Callable[[Carry], Carry]
CopyAsync: TypeAlias = Callable[[Any], Callable[[], Array]]


def same(carry: Carry) -> Carry:
    """Return the carry as it is."""
    return carry


@dataclass(frozen=True, repr=False, eq=False)
class Backend(Registrable):
    """An array library with a device and a floating dtype.

    Get one from `xpnn.set_backend`, `xpnn.use_backend` or `xpnn.get_backend`.

    Attributes
    ----------
    name : str
    xp : module
        The Array API namespace, by array-api-compat.
    device : object
        The library's own device object, as ``xp.zeros(..., device=backend.device)`` takes it.
    dtype : object
        The library's own float32 or float64.
    """

    name: ClassVar[str]
    module: ClassVar[str]
    """What is imported."""
    distributions: ClassVar[tuple[str, ...]]
    """What may be installed to provide it."""
    cure: ClassVar[str]
    """The line that installs it."""
    no_device: ClassVar[str] = "A GPU needs its driver, and the library's build for it."
    """What to do where there is no device."""
    full_precision: ClassVar[str] = "Install the library anew, or try another version of it."
    """What to do if matrix products have fewer digits than the dtype."""
    compiled: ClassVar[bool] = False
    """Whether `scan` compiles: then every step must have the same shapes."""
    by_layer_from: ClassVar[float] = inf
    """From how many parameters on an update goes layer by layer, rather than over θ at once."""

    xp: Namespace
    device: Any
    dtype: Any

    # ---- choosing -----------------------------------------------------------

    @classmethod
    def create(cls, device: str = "", dtype: str = "float32") -> Self:
        """Make the backend, or raise `BackendError` with the reason why it cannot work."""
        status = cls.probe()
        if not status.usable:
            raise BackendError(f"backend {cls.name!r} cannot be used: {status.reason}")
        made = cls(cls.namespace(), cls.find_device(device), None)
        try:
            made.try_out()
        except Exception as error:  # whatever the library or the driver raises
            raise BackendError(
                f"backend {cls.name!r} cannot be used: {TRY_OUT_FAILED}: {first_line(error)} "
                f"(device {device or 'by default'})"
            ) from error
        supported = made.dtypes("real floating")
        if dtype not in supported:
            raise BackendError(
                f"backend {cls.name!r}: device {device!r} has no {dtype}; use dtype='float32'."
            )
        return replace(made, dtype=cls.native_dtype(supported[dtype]))

    @classmethod
    def of(cls, array: Array) -> Self:
        """Return the backend that an array of this library belongs to.

        Raises
        ------
        ArgumentTypeError
            If it is an array of another library, or none.
        """
        if not cls.owns(array):
            found = f"{type(array).__module__}.{type(array).__qualname__}"
            raise ArgumentTypeError(
                f"expected an array of {cls.name}, found {found}; "
                "xpnn.backend_of(array) finds the backend of any array."
            )
        return cls(cls.namespace(), cls.device_of(array), array.dtype)

    @classmethod
    def status(cls) -> BackendStatus:
        """Look whether this backend works here, down to a tiny computation on its device."""
        status = cls.probe()
        if status.usable:
            try:
                cls(cls.namespace(), cls.find_device(""), None).try_out()
            except Exception as error:
                reason = f"{TRY_OUT_FAILED}: {first_line(error)}"
                return replace(status, usable=False, reason=reason)
        return status

    @classmethod
    def probe(cls) -> BackendStatus:
        """Look whether the library is installed, imports, and has a device."""
        installed = cls.version()
        if installed is None:
            return BackendStatus(cls.name, None, False, (), f"not installed: {cls.cure}")
        try:
            cls.namespace()
        except Exception as error:  # a broken installation may raise anything
            reason = (
                f"installed ({installed}) but does not import: {first_line(error)}. Install it "
                f"anew: {cls.cure}"
            )
            return BackendStatus(cls.name, installed, False, (), reason)
        try:
            devices, reason = cls.devices(), "none was found"
        except Exception as error:  # so may a missing or mismatched driver
            devices, reason = (), first_line(error)
        reason = "" if devices else f"no device: {reason}. {cls.no_device}"
        return BackendStatus(cls.name, installed, bool(devices), devices, reason)

    @classmethod
    def version(cls) -> str | None:
        """Return the installed version, without importing the library."""
        from importlib.metadata import PackageNotFoundError, version  # which takes 50 ms

        for distribution in cls.distributions:
            with suppress(PackageNotFoundError):
                return version(distribution)
        return None

    @classmethod
    def namespace(cls) -> Namespace:
        """Import the library and return its Array API namespace."""
        return import_module(cls.module)

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """Name the devices, best first; raise if there is none."""
        return ("cpu",)

    @classmethod
    def find_device(cls, name: str) -> Any:
        """Return the library's device object for a name; the default one for an empty name."""
        if name not in ("", *cls.devices()):
            raise ArgumentError(
                f"backend {cls.name!r} has no device {name!r} here: expected one of "
                f"{', '.join(cls.devices())}. {cls.no_device}"
            )
        return name or cls.devices()[0]

    @classmethod
    def device_of(cls, array: Array) -> Any:
        """Return the device object of an array of this library."""
        return array_api_compat.device(array)

    @classmethod
    def native_dtype(cls, dtype: Any) -> Any:
        """Return the dtype object that arrays of this library carry."""
        return dtype

    @classmethod
    def enable_float64(cls) -> None:
        """Let the library make 64-bit arrays, in the whole process, if it has a switch for that."""

    def try_out(self) -> None:
        """Compute something tiny on the device: to allocate, to multiply, to read back."""
        with self.current():
            a = self.asarray([[1.0, 1.0], [1.0, 1.0]], self.xp.float32)
            total = self.number(self.xp.sum(a @ a))
        if total != 8.0:
            raise ArithmeticError(f"[[1, 1], [1, 1]] @ [[1, 1], [1, 1]] sums to {total}, not 8")

    @property
    def spec(self) -> str:
        """``name:device``, as `xpnn.set_backend` takes it."""
        return f"{self.name}:{self.device_name}"

    @property
    def device_name(self) -> str:
        """What follows the colon."""
        return str(self.device)

    @property
    def dtype_name(self) -> str:
        """``float32`` or ``float64``."""
        return _name_of(self.name, self.dtype)

    def same_device(self, other: "Backend") -> bool:
        """Whether library and device are the same; a device that is being traced may be any."""
        traced = None in (self.device, other.device)
        return self.name == other.name and (traced or self.device_name == other.device_name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Backend) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str, str]:  # names: CuPy's Device has no hash
        return self.spec, self.dtype_name

    def __repr__(self) -> str:
        return f"Backend({self.spec!r}, dtype={self.dtype_name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).create, (self.device_name, self.dtype_name)

    # ---- moving -------------------------------------------------------------

    def asarray(self, x: Any, dtype: Any = None, copy: bool | None = None) -> Array:
        """Return ``x`` as an array of this backend, on its device.

        Parameters
        ----------
        x : array of any library, list, or number
            Arrays of other libraries and devices travel through host memory.
        dtype : str or dtype object, optional
            Default: this backend's dtype for real floating ``x``; integers and booleans stay.
        copy : bool, optional
            True always copies, False never does (and raises if it would have to),
            None copies only where needed: the result may share memory with ``x``.

        Raises
        ------
        ArgumentTypeError
            If ``x`` does not hold real numbers or booleans, or is masked.

        Examples
        --------
        >>> import xpnn
        >>> xpnn.get_backend().asarray([0.5, 1.5])
        array([0.5, 1.5], dtype=float32)
        """
        if isinstance(dtype, str):
            dtype = self.resolve_dtype(dtype)
        if isinstance(x, np.ndarray) or not self.owns(x):
            x = host_array(x)
            if dtype is None:
                dtype = self.dtype if x.dtype.kind == "f" else self.integer_dtype(x)
            self.record(TO_DEVICE, x.nbytes)
            with np.errstate(all="ignore"):  # a number too large becomes infinite, on all alike
                return self.from_host(x, dtype, copy)
        check_real(x.dtype, self.xp.isdtype(x.dtype, ("bool", "integral", "real floating")))
        if dtype is None and self.xp.isdtype(x.dtype, "real floating"):
            dtype = self.dtype
        return self.xp.asarray(x, dtype=dtype, device=self.device, copy=copy)

    def dtypes(self, kind: Any = None) -> Any:
        """Return the dtype objects of this device by name, of all kinds or of one."""
        return self.xp.__array_namespace_info__().dtypes(device=self.device, kind=kind)

    def resolve_dtype(self, name: str) -> Any:
        """Return the dtype object of this device with a name such as ``float32``."""
        supported = self.dtypes()
        if name not in supported:
            raise unknown_name(f"dtype of {self.spec}", name, supported)
        return supported[name]

    def from_host(self, x: Any, dtype: Any, copy: bool | None) -> Array:
        """Move a NumPy array with native byte order to the device."""
        return self.xp.asarray(x, dtype=dtype, device=self.device, copy=copy)

    def integer_dtype(self, x: Any) -> Any:
        """Return the dtype that holds a host array of integers or booleans on this device."""
        supported = self.dtypes(("bool", "integral"))
        if x.dtype.name in supported:
            return supported[x.dtype.name]
        limits = self.xp.iinfo(self.index_dtype)
        if x.size and not (limits.min <= x.min() and x.max() <= limits.max):
            raise ArgumentError(
                f"expected integers from {limits.min} to {limits.max}, the widest that "
                f"{self.spec} has, found {x.min()} to {x.max()}; pass them as floats."
            )
        return self.index_dtype

    @contextmanager
    def async_copies(self) -> Iterator[CopyAsync]:
        """Return a context for moving one host array after another to the device.

        Yields
        ------
        copy_async : callable (x) -> arrived
            Begins to move a host array of this backend's dtype; where the library can, beside what
            the device has been asked for. ``arrived()`` returns the array there, and what is asked
            of the device afterwards waits for the copy.
        """

        def copy_async(x: Any) -> Callable[[], Array]:
            moved = self.asarray(x)
            return lambda: moved

        yield copy_async

    def throttle(self, output: Array) -> None:
        """Wait until an array has been computed, unless `async_copies` limits what is in flight."""
        self.number(output[0])

    def free_memory(self) -> float:
        """Bytes that the device can still give; infinite where arrays lie in the host's memory."""
        return inf

    def to_numpy(self, a: Array) -> Any:
        """Return an array of this backend as a NumPy array, which may share its memory."""
        host = self.fetch(a)
        self.record(TO_HOST, host.nbytes)
        return host

    def fetch(self, a: Array) -> Any:
        """Move an array of this backend to the host; `to_numpy` without the record of it."""
        return np.asarray(a)

    def number(self, a: Array) -> float:
        """Read a 0-d array on the host."""
        self.record(READ, 8)
        return float(a)

    @classmethod
    def owns(cls, x: Any) -> bool:
        """Whether ``x`` is an array of this library, on any device."""
        return type(x).__module__.partition(".")[0] == cls.module.partition(".")[0]

    @property
    def index_dtype(self) -> Any:
        """The integer dtype that ``xp.take`` wants."""
        return self.xp.__array_namespace_info__().default_dtypes(device=self.device)["indexing"]

    def record(self, kind: str, nbytes: int) -> None:
        """Tell `xpnn.audit` of what crosses between host and device."""
        record(kind, nbytes)

    # ---- computing ----------------------------------------------------------

    def current(self) -> AbstractContextManager[Any]:
        """Return a context in which this backend's device is the library's current one."""
        return nullcontext()

    def no_grad(self) -> AbstractContextManager[Any]:
        """Return a context in which the library records nothing for its own differentiation."""
        return nullcontext()

    def restoring_settings(self) -> ExitStack:
        """Return a context, the outermost, that puts the settings of the process and thread back.

        The contexts inside put back what they set, unless Ctrl-C comes between two lines of that.
        """
        stack = ExitStack()
        stack.callback(np.seterr, **np.geterr())
        return stack

    def threads_for(self, multiplications: int) -> AbstractContextManager[Any]:
        """Return a context with as many threads as matrix products of that size deserve."""
        return nullcontext()

    def free_cached_memory(self) -> None:
        """Give back what the library keeps of the device's memory for later."""

    def synchronize(self) -> None:
        """Wait until everything asked of the device is done."""
        self.record(WAIT, 0)
        self.wait()

    def wait(self) -> None:
        """Wait for the device; `synchronize` without the record of it."""

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make a function of arrays fast where the library has a compiler, else return it."""
        return function

    def compile_like_steps(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Compile a function where `scan` compiles, else return it."""
        return self.compile(function) if self.compiled else function

    def make_allreduce(self, comm: Any) -> Callable[[Array], Array]:
        """Return the function that sums a vector of each rank of an `xpnn.distributed` training.

        The vector is overwritten; its last entry must be 0. It goes through the host's memory: to
        read it there waits until the device has computed it.
        """

        def allreduce(a: Array) -> Array:
            return self.asarray(comm.sum(self.to_numpy(a)), self.dtype)

        return allreduce

    def fuse(self, update: Update) -> Update:
        """Make the update of an optimiser one pass over memory where that can be done."""
        return update

    def fuse_layers(
        self, activations: tuple[Activation, ...], loss: Loss
    ) -> tuple[tuple[Activation, ...], Loss]:
        """Make what layers and loss do entry by entry one pass where that can be done."""
        return activations, loss

    def all_true(self, condition: Array) -> bool:
        """Read ``all(condition)`` on the host."""
        self.record(READ, 1)
        return bool(self.xp.all(condition))

    def all_finite(self, a: Array) -> bool:
        """Read on the host whether no entry is NaN or infinite."""
        return self.all_true(self.xp.isfinite(a))

    def contiguous(self, a: Array) -> Array:
        """Return ``a`` with its rows contiguous in memory, copied only if they are not."""
        return a

    def take_rows(self, a: Array, indices: Array) -> Array:
        """Gather rows of ``a``, shape (m, n), into a new array, shape (k, n)."""
        return self.xp.take(a, indices, axis=0)

    def scan_input(self, a: Any) -> Array:
        """Move a host array of indices or numbers for `scan` to the device."""
        return self.asarray(a, self.index_dtype if a.dtype.kind == "i" else self.dtype)

    def stack(self, numbers: list[Array]) -> Array:
        """Join 0-d arrays into one, shape (k,)."""
        return self.xp.stack(numbers)

    def scan(self, step: Step, split: Reshape = same, join: Reshape = same) -> Run:
        """Turn one step into a run of steps, like ``jax.lax.scan``.

        Parameters
        ----------
        step : callable (carry, data, arrays, numbers) -> (carry, output)
            May overwrite the arrays of ``carry``. ``output`` is a 0-d array.
        split, join : callable (carry) -> carry, optional
            The carry is split before the first step and joined after the last, so that
            the steps may see it in another form.

        Returns
        -------
        run : callable (carry, data, arrays, widths, numbers) -> (carry, outputs)
            ``arrays`` are host arrays, shape (k, ..., n), and ``numbers`` is one, shape (k, q).
            Step i gets row i of each: of an array only the first ``widths[i]`` entries along its
            last axis unless the library compiles, and the numbers as q floats. ``outputs`` has
            shape (k,), or is longer, and only the first k count. The caller's ``carry`` is never
            overwritten: the run works on copies.
        """
        xp = self.xp

        def run(
            carry: Carry,
            data: tuple[Array, ...],
            arrays: tuple[Any, ...],
            widths: list[int],
            numbers: Any,
        ) -> tuple[Carry, Array]:
            carry = split(tuple(xp.asarray(a, copy=True) for a in carry))
            moved = [self.scan_input(a) for a in arrays]
            outputs = []
            for i, (n, row) in enumerate(zip(widths, numbers.tolist(), strict=True)):
                rows = tuple(a[i, ..., :n] for a in moved)
                carry, output = step(carry, data, rows, row)
                outputs.append(output)
            return join(carry), self.stack(outputs)

        return run


def power_of_2(n: int) -> int:
    """Return the least power of two that is at least n."""
    return 1 << (n - 1).bit_length()


@lru_cache(maxsize=64)
def _name_of(library: str, dtype: Any) -> str:
    """Return the name of a dtype, which NumPy takes microseconds to make.

    The library keeps dtypes of different ones from being compared, of which some warn.
    """
    return str(dtype).rpartition(".")[2]
