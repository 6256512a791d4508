"""The exceptions of the library, and helpers that word them.

Every message says what was expected, what was found, and what cures it. Each exception is an
`XpnnError` and one of Python's own too, so ``except ValueError`` catches an `ArgumentError`.
"""

from collections.abc import Iterable
from difflib import get_close_matches

from ._terminal import escaped_lines

__all__ = [
    "XpnnError",
    "ArgumentError",
    "ArgumentTypeError",
    "ColumnError",
    "TraceError",
    "BackendError",
    "OutOfMemoryError",
    "MissingLibraryError",
    "DivergenceError",
    "FileFormatError",
]


class XpnnError(Exception):
    """The base of all exceptions that this library raises on purpose.

    Examples
    --------
    >>> import xpnn
    >>> try:
    ...     xpnn.Network([2, 1], hidden="rleu")
    ... except xpnn.XpnnError as error:
    ...     print(type(error).__name__, error, sep=": ")
    ArgumentError: unknown activation 'rleu': expected one of ... Did you mean 'relu'?
    """

    def __str__(self) -> str:
        return escaped_lines(super().__str__())  # it may quote names of strangers


class ArgumentError(XpnnError, ValueError):
    """An argument has the right type and a wrong value: a shape, a name, a number.

    Examples
    --------
    >>> import xpnn
    >>> xpnn.Network([2, 1], output="softmax")
    Traceback (most recent call last):
    xpnn.exceptions.ArgumentError: output: softmax of one unit is always 1; use 2 units, or ...
    """


class ColumnError(ArgumentError):
    """A column of a table cannot be used as it is; ``cure`` is the argument that helps.

    Attributes
    ----------
    problem : str
        The message without the cure, for callers who have another.
    column : str
    missing : int
        How many values are missing; 0 if something else is wrong.
    """

    def __init__(self, problem: str, cure: str = "", column: str = "", missing: int = 0) -> None:
        super().__init__(f"{problem} {cure}." if cure else problem)
        self.problem, self.column, self.missing = problem, column, missing


class ArgumentTypeError(XpnnError, TypeError):
    """An argument has the wrong type, or is an array of another library or device.

    Examples
    --------
    >>> import xpnn
    >>> xpnn.Network("21")
    Traceback (most recent call last):
    xpnn.exceptions.ArgumentTypeError: sizes: expected a sequence like [64, 32, 10], found '21'.
    """


class TraceError(ArgumentTypeError):
    """A function cannot become a program: its course depends on the entries of arrays."""


class BackendError(XpnnError, RuntimeError):
    """A backend is known but cannot be used on this machine.

    `xpnn.backends` lists why, for each of them.
    """


class OutOfMemoryError(XpnnError, MemoryError):
    """A device, or the host, has too little memory for an array or a file."""


class MissingLibraryError(XpnnError, ImportError):
    """An optional library is needed and is not installed, or its import fails.

    The message has the command that installs it.
    """


class DivergenceError(XpnnError, ArithmeticError, ValueError):
    """Training produced numbers that are not finite.

    The message names the epoch, the step and the layer in which it began, and the cure.

    Examples
    --------
    >>> import xpnn
    >>> net = xpnn.Network([1, 1], output="identity")
    >>> steep = xpnn.optimizers.gradient_descent(1e9)
    >>> xpnn.fit(net, net.init(), [[1.0, 2.0]], [[1.0, 2.0]], optimizer=steep, epochs=50)
    Traceback (most recent call last):
    xpnn.exceptions.DivergenceError: training diverged in epoch ...: the cost of layer 1, ...
    """


class FileFormatError(XpnnError, ValueError):
    """A model file is damaged, or was not written by this library.

    Examples
    --------
    >>> import tempfile, xpnn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/model.safetensors"
    ...     with open(path, "w") as file:
    ...         _ = file.write("no model")
    ...     xpnn.load(path)
    Traceback (most recent call last):
    xpnn.exceptions.FileFormatError: ...: expected a model file of xpnn, found another format: ...
    """


def first_line(error: BaseException) -> str:
    """Return the type and the first line of an exception's message, which may stand in a frame."""
    first, _, original = str(error).partition("Original error:")  # as CuPy tells of an import
    lines = [line.strip() for text in (first, original) for line in text.splitlines()]
    told = [line for line in lines if any(map(str.isalnum, line))]
    text = f"{told[0]} ({told[-1]})" if original and told else "".join(told[:1])
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def unknown_name(kind: str, name: object, known: Iterable[str]) -> ArgumentError:
    """Word the error for a name that is not in a table, with the nearest one that is."""
    names = sorted(known)
    nearest = get_close_matches(str(name).lower(), names, n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return ArgumentError(f"unknown {kind} {name!r}: expected one of {', '.join(names)}.{hint}")


def function_name(function: object) -> str:
    """Return the name of a function, or of its type if it has none."""
    return getattr(function, "__name__", type(function).__name__)
