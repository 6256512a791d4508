"""`grad`, `value_and_grad` and `pullback`: derivatives of functions by the graph."""

from collections.abc import Callable
from typing import Any

from .._typing import Array
from ..exceptions import ArgumentError, ArgumentTypeError
from .functions import full_like, zeros_like
from .node import Node, backpropagate, level, namespace, new_level, plain, shape


def value_and_grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return a function that computes J = f(…) and its derivatives in one go.

    Parameters
    ----------
    f : callable (args) -> array, shape ()
        Written with operators and with the functions of `xpnn.graph`: pass that wherever
        a function takes a namespace ``xp``.
    argnums : int or tuple of int
        By which arguments to differentiate, counted from 0. These may be arrays of any
        library, Python numbers, or trees of them: tuples, lists, dicts, `xpnn.Layer`.

    Returns
    -------
    callable (args) -> (J, gradients)
        The gradients have the form of the argument; a tuple of such for several.

    Raises
    ------
    ArgumentError
        If J is not a scalar.
    ArgumentTypeError
        If a variable does not consist of real floating numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from xpnn import graph
    >>> def J(w):
    ...     return graph.sum(w * w)
    >>> value, dw = graph.value_and_grad(J)(np.asarray([1.0, 2.0]))
    >>> float(value), dw
    (5.0, array([2., 4.]))
    """

    def run(*args: Any) -> tuple[Any, Any]:
        chosen = (argnums,) if isinstance(argnums, int) else argnums
        J, variables, derivatives = differentiate(f, args, chosen)
        grads = tuple(
            map_tree(lambda x: gradient(derivatives.get(x), x.value), tree) for tree in variables
        )
        return J.value, grads[0] if isinstance(argnums, int) else grads

    return run


def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return a function that computes the derivatives of J = f(…).

    It takes and returns what `value_and_grad` does, without J.

    Examples
    --------
    The notes' J = 3(a + bc) at a = 5, b = 3, c = 2:

    >>> from xpnn import graph
    >>> def J(a, b, c):
    ...     return 3 * (a + b * c)
    >>> graph.grad(J, argnums=(0, 1, 2))(5.0, 3.0, 2.0)
    (3.0, 6.0, 9.0)

    A gradient can be differentiated again: d²(x³)/dx² = 6x.

    >>> graph.grad(graph.grad(lambda x: x**3))(2.0)
    12.0
    """
    return lambda *args: value_and_grad(f, argnums)(*args)[1]


def pullback(f: Callable[[Any], Any], x: Array, dy: Array) -> Array:
    """Return dx = (∂y/∂x)ᵀ dy for y = f(x): dy * f′(x) where f is elementwise.

    Parameters
    ----------
    f : callable (x) -> y
    x : array
    dy : array, the shape of y
        ∂J/∂y of some J.

    Returns
    -------
    array, the shape of x
        ∂J/∂x.

    Examples
    --------
    >>> import numpy as np
    >>> from xpnn import graph
    >>> graph.pullback(graph.tanh, np.asarray([0.0, 1.0]), np.asarray([1.0, 1.0])).round(4)
    array([1.  , 0.42])
    """
    variable = Node(x, new_level())
    y = f(variable)
    if level(y) != variable.level:  # f is constant
        return zeros_like(x)
    return backpropagate(y, dy)[variable]


def differentiate(
    f: Callable[..., Any], args: tuple[Any, ...], argnums: tuple[int, ...]
) -> tuple[Node, list[Any], dict[Node, Any]]:
    """Return J as a node, the variables as trees of nodes, and the derivative of J by each node."""
    newest = new_level()
    given = list(args)
    if not all(-len(args) <= i < len(args) for i in argnums):
        raise ArgumentError(
            f"argnums: expected positions among {len(args)} arguments, found {argnums}."
        )
    for i in argnums:
        given[i] = map_tree(lambda x: variable(x, newest), args[i])
    J = f(*given)
    if not (isinstance(J, int | float) or hasattr(J, "shape")) or shape(J) != ():
        found = f"shape {shape(J)}" if hasattr(J, "shape") else type(J).__name__
        raise ArgumentError(
            f"f: expected a scalar result, of shape (), found {found}; sum it, or take its mean."
        )
    if level(J) != newest:  # it depends on none of the variables
        J = Node(J, newest)
    return J, [given[i] for i in argnums], backpropagate(J, constant(1.0, J.value))


def variable(x: Any, level: int) -> Node:
    """Return a variable as a node, or raise unless it consists of real floating numbers."""
    value = plain(x)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Node(float(x) if x is value else x, level)
    if not hasattr(value, "shape"):
        raise ArgumentTypeError(
            f"expected arrays or numbers to differentiate by, found {type(x).__name__}; "
            "convert it first, for example with numpy.asarray(x)."
        )
    if not namespace([value]).isdtype(value.dtype, "real floating"):
        raise ArgumentTypeError(
            f"expected real floating numbers to differentiate by, found dtype {value.dtype}; "
            "convert them first, for example with numpy.asarray(x, dtype='float64')."
        )
    return Node(x, level)


def gradient(d: Any, x: Any) -> Any:
    """Return a derivative as an array of its own, of the dtype of ``x``; 0 for None."""
    if d is None:
        return constant(0.0, x)
    if isinstance(d, Node) or not hasattr(x, "shape"):
        return d
    return namespace([d]).asarray(d, dtype=x.dtype, copy=True)


def constant(number: float, x: Any) -> Any:
    """Return a number in the form of ``x``."""
    return full_like(x, number) if hasattr(plain(x), "shape") else number


def map_tree(function: Callable[[Any], Any], tree: Any) -> Any:
    """Apply a function to every leaf of nested tuples, lists and dicts."""
    if isinstance(tree, dict):
        return {key: map_tree(function, branch) for key, branch in tree.items()}
    if isinstance(tree, tuple | list):
        branches = [map_tree(function, branch) for branch in tree]
        return type(tree)(*branches) if hasattr(tree, "_fields") else type(tree)(branches)
    return function(tree)
