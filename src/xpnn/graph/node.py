"""`Node`: a value that remembers how it was made, and the walk back along what it remembers."""

import math
import operator
import sys
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from array_api_compat import array_namespace

from .._typing import Namespace
from ..exceptions import ArgumentTypeError

DERIVATIVES: dict[str, Any] = {}
"""name -> a derivative for each argument, None where there is none; filled by ``functions``"""
FORWARD: dict[str, Callable[..., Any]] = {}
"""name -> how its value is computed, where that is not by ``xp.name``"""

OF_NUMPY = {"true_divide": "divide", "power": "pow", "absolute": "abs", "arctan": "atan"}
COMPARISONS = {
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
}

_order = count()
new_level = count(1).__next__


def _binary(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return an operator and its reflection."""
    return (
        lambda self, other: apply(name, self, other),
        lambda self, other: apply(name, other, self),
    )


def _comparison(compare: Callable[..., Any]) -> Callable[..., Any]:
    """Return a comparison: its result is flat, so a plain array and no node."""
    return lambda self, other: compare(plain(self), plain(other))


def _of_numpy(node: "Node", ufunc: Any, method: str, *args: Any, **options: Any) -> Any:
    """Take over ``array * node``, and ``array += node`` as ``array + node``, of NumPy."""
    name = OF_NUMPY.get(ufunc.__name__, ufunc.__name__)
    in_place = options.pop("out", args[:1])[0] is args[0]
    if method == "__call__" and in_place and not options:
        if name in COMPARISONS:
            return COMPARISONS[name](*map(plain, args))
        if name in DERIVATIVES:
            return apply(name, *args)
    raise ArgumentTypeError(
        f"numpy.{ufunc.__name__}: xpnn.graph cannot differentiate through this call; use the "
        "function of the namespace, such as xp.sum or xpnn.graph.sum."
    )


class _ForNumPy:
    """``__array_ufunc__`` of a node: NumPy, which asks its type, gets `_of_numpy`.

    CuPy asks the node itself and gets None: then it leaves the operator to the node, whereas
    it would neither do so nor call a function.
    """

    def __get__(self, node: "Node | None", owner: type) -> Any:
        return _of_numpy if node is None else None


class Node:
    """An array, or a Python number, in a computation graph.

    It has the operators of an array of the standard; the functions for it are those of
    `xpnn.graph`. It never changes: ``Z += b`` makes a new node.

    Attributes
    ----------
    value : array or number
        Itself a node where a derivative is differentiated again.
    level : int
        Which differentiation it belongs to; nodes of others are constants to it.
    made_by : str
        The function that made it; empty for a variable.
    args, options : tuple, dict
        What it was made from: nodes and constants.
    name : str
        For drawings.
    """

    __slots__ = ("args", "level", "made_by", "name", "options", "order", "value")

    def __init__(
        self,
        value: Any,
        level: int,
        made_by: str = "",
        args: tuple[Any, ...] = (),
        options: dict[str, Any] | None = None,
    ) -> None:
        self.value, self.level, self.name = value, level, ""
        self.made_by, self.args, self.options = made_by, args, options or {}
        self.order = next(_order)  # larger than that of whatever it was made from

    def __array_namespace__(self, api_version: str | None = None) -> Namespace:
        return sys.modules[__package__]  # whose functions make nodes of nodes

    def __repr__(self) -> str:
        return f"Node({self.value!r})"

    shape = property(lambda self: shape(self.value))
    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: math.prod(self.shape))
    dtype = property(lambda self: self.value.dtype)
    T = property(lambda self: apply("T", self))
    mT = property(lambda self: apply("matrix_transpose", self))

    __array_ufunc__ = _ForNumPy()

    def __setitem__(self, key: Any, value: Any) -> None:
        raise ArgumentTypeError(
            "x[...] = y: what xpnn.graph differentiates does not change; use "
            "xp.where(condition, y, x)."
        )

    def __neg__(self) -> Any:
        return apply("negative", self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return apply("abs", self)

    def __bool__(self) -> bool:
        return bool(plain(self))

    def __getitem__(self, key: Any) -> Any:
        check_key(key)
        return apply("getitem", self, key=key)

    __iter__ = None  # else Python would count up to an IndexError, which not every library raises

    __add__, __radd__ = _binary("add")
    __sub__, __rsub__ = _binary("subtract")
    __mul__, __rmul__ = _binary("multiply")
    __truediv__, __rtruediv__ = _binary("divide")
    __pow__, __rpow__ = _binary("pow")
    __matmul__, __rmatmul__ = _binary("matmul")

    __lt__, __le__, __gt__, __ge__, __eq__, __ne__ = map(_comparison, COMPARISONS.values())
    __hash__ = object.__hash__


def apply(name: str, *args: Any, **options: Any) -> Any:
    """Compute ``name(*args, **options)``; a node if one of the arguments is."""
    top = max(map(level, args))
    values = tuple(arg.value if top and level(arg) == top else arg for arg in args)
    value = compute(name, values, options)
    return Node(value, top, name, args, options) if top else value


def compute(name: str, values: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Compute a function on values."""
    if name in FORWARD:
        return FORWARD[name](*values, **options)
    xp = namespace(values)
    if not hasattr(xp, name):
        raise ArgumentTypeError(
            f"xpnn.graph.{name}: {xp.__name__} has no {name!r}; expected arrays of a library that "
            "follows the Array API standard, such as numpy.asarray(x)."
        )
    return getattr(xp, name)(*values, **options)


def check_key(key: Any) -> None:
    """Raise for integer arrays: an entry that is picked twice would count once."""
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, list) or (
            shape(part) and namespace([part]).isdtype(part.dtype, "integral")
        ):
            raise ArgumentTypeError(
                "x[...] in xpnn.graph: expected integers, slices, None, ... or an array of bool, "
                "found integers in an array or list; use xp.take(x, indices, axis=...)."
            )


def backpropagate(output: Node, seed: Any) -> dict[Node, Any]:
    """Return the derivative by every node that ``output`` was made from, and by itself.

    The chain rule, last node first: whatever uses a node has a larger order, so its
    derivative is complete by the time the node's own turn comes.
    """
    derivatives = {output: seed}
    for node in reversed(history(output)):
        dy = derivatives[node]
        values = tuple(arg.value if is_parent(arg, node) else arg for arg in node.args)
        for i, arg in enumerate(node.args):
            if is_parent(arg, node):
                d = DERIVATIVES[node.made_by][i](dy, node.value, *values, **node.options)
                d = unbroadcast(d, arg.shape)
                derivatives[arg] = derivatives[arg] + d if arg in derivatives else d
    return derivatives


def history(output: Node) -> list[Node]:
    """Return every node that ``output`` was made from, and itself, in the order they were made."""
    found: set[Node] = set()
    pending = [output]
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending.extend(arg for arg in node.args if is_parent(arg, node))
    return sorted(found, key=lambda node: node.order)


def is_parent(arg: Any, node: Node) -> bool:
    """Whether the derivative of ``node`` by an argument is wanted: it is no constant to it."""
    return level(arg) == node.level


def unbroadcast(d: Any, expected: tuple[int, ...]) -> Any:
    """Sum a derivative over the axes along which its variable was broadcast."""
    found = shape(d)
    if found == expected:
        return d
    new = len(found) - len(expected)
    stretched = (new + i for i, n in enumerate(expected) if n == 1)
    d = apply("sum", d, axis=(*range(new), *stretched))
    return apply("reshape", d, expected)


def level(x: Any) -> int:
    """Which differentiation ``x`` takes part in: the newest is the highest, 0 is none."""
    return x.level if isinstance(x, Node) else 0


def plain(x: Any) -> Any:
    """Return the array or number inside a node; anything else as it is."""
    while isinstance(x, Node):
        x = x.value
    return x


def shape(x: Any) -> tuple[int, ...]:
    """Return the shape of an array, a node or a number."""
    return tuple(getattr(x, "shape", ()))


def namespace(values: Iterable[Any]) -> Namespace:
    """Return the namespace of arrays: this one if nodes are among them; ``math`` of numbers."""
    arrays = [x for x in values if hasattr(x, "shape")]
    nodes = [x for x in arrays if isinstance(x, Node)]
    return array_namespace(*(nodes or arrays)) if arrays else math
