"""`draw`: a computation graph with the value and the derivative at every node."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from ..table import Table
from .functions import sqrt, sum
from .gradients import differentiate
from .node import Node, history, is_parent, namespace, plain, shape

INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "pow": "**", "matmul": "@"}


@dataclass(frozen=True)
class DrawnNode:
    """One line of a drawing."""

    name: str
    formula: str
    """How it was made; empty for a variable."""
    value: str
    derivative: str
    parents: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Drawing:
    """A computation graph on paper; print it, or pass ``dot()`` to Graphviz.

    Attributes
    ----------
    nodes : tuple of DrawnNode
        In the order in which they were made, the result last.
    """

    nodes: tuple[DrawnNode, ...]

    def __repr__(self) -> str:
        J = self.nodes[-1].name
        rows = [(node.name, node.formula, node.value, node.derivative) for node in self.nodes]
        return repr(Table(("node", "made by", "value", f"d{J}/dnode"), rows))

    def dot(self) -> str:
        r"""Return the graph in Graphviz's DOT language.

        Examples
        --------
        >>> from xpnn import graph
        >>> print(graph.draw(lambda x: x * x, 3.0).dot())
        digraph {
          rankdir=LR; node [shape=box];
          "x" [label="x = 3\ndJ/dx = 6"];
          "J" [label="J = x * x = 9\ndJ/dJ = 1"];
          "x" -> "J";
        }
        """
        J = self.nodes[-1].name
        lines = ["digraph {", "  rankdir=LR; node [shape=box];"]
        for node in self.nodes:
            terms = [node.name, node.formula, node.value]
            label = rf"{' = '.join(filter(None, terms))}\nd{J}/d{node.name} = {node.derivative}"
            lines.append(f"  {_quoted(node.name)} [label={_quoted(label)}];")
        for node in self.nodes:
            lines.extend(f"  {_quoted(name)} -> {_quoted(node.name)};" for name in node.parents)
        return "\n".join([*lines, "}"])


def draw(f: Callable[..., Any], *args: Any) -> Drawing:
    """Draw the computation graph of J = f(…), with values and derivatives.

    Parameters
    ----------
    f : callable (args) -> array, shape ()
        Its parameters' names are those of the variables; inside, `name` gives a name to
        what has none of its own.
    args : arrays, numbers, or trees of them
        Where to evaluate it: it is differentiated by all of them.

    Returns
    -------
    Drawing
        Numbers as they are; of arrays the shape and the norm.

    Examples
    --------
    The notes' example, forwards and backwards:

    >>> from xpnn import graph
    >>> def J(a, b, c):
    ...     u = graph.name("u", b * c)
    ...     v = graph.name("v", a + u)
    ...     return 3 * v
    >>> graph.draw(J, 5.0, 3.0, 2.0)
    node  made by  value  dJ/dnode
    a              5      3
    b              3      6
    c              2      9
    u     b * c    6      3
    v     a + u    11     3
    J     3 * v    33     1
    """
    J, variables, derivatives = differentiate(f, args, tuple(range(len(args))))
    nodes = history(J)
    names = {node: node.name for node in nodes if node.name}
    for parameter, tree in zip(_parameter_names(f, len(args)), variables, strict=True):
        names.update({leaf: path for path, leaf in _leaves(parameter, tree)})
    names.setdefault(J, "J")
    unnamed = (node for node in nodes if node not in names)
    names.update({node: f"z{i}" for i, node in enumerate(unnamed, 1)})
    names = _told_apart({node: names[node] for node in nodes})
    return Drawing(
        tuple(
            DrawnNode(
                names[node],
                _formula(node, names),
                _value(node.value),
                _value(derivatives[node]),
                tuple(dict.fromkeys(names[a] for a in node.args if is_parent(a, node))),
            )
            for node in nodes
        )
    )


def name(text: str, x: Any) -> Any:
    """Name an intermediate result for `draw`, and return it.

    Examples
    --------
    >>> from xpnn import graph
    >>> graph.name("u", 6.0)  # outside of a drawing it changes nothing
    6.0
    """
    if isinstance(x, Node):
        x.name = text
    return x


def _quoted(text: str) -> str:
    return '"' + text.replace('"', r"\"") + '"'


def _told_apart(names: dict[Node, str]) -> dict[Node, str]:
    """Number the names that several nodes have: Z of every layer becomes Z, Z_2, Z_3."""
    unique: dict[Node, str] = {}
    for node, text in names.items():
        numbered = (f"{text}_{i}" for i in count(2))
        taken = set(unique.values())
        unique[node] = text if text not in taken else next(n for n in numbered if n not in taken)
    return unique


def _parameter_names(f: Callable[..., Any], number: int) -> list[str]:
    parameters = inspect.signature(f).parameters.values()
    named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in parameters if p.kind in named]
    return (names + [f"x{i}" for i in range(len(names), number)])[:number]


def _leaves(path: str, tree: Any) -> Iterator[tuple[str, Node]]:
    """Yield every variable of a tree with its path, such as ``params[0].W``."""
    if isinstance(tree, Node):
        yield path, tree
    elif isinstance(tree, dict):
        for key, branch in tree.items():
            yield from _leaves(str(key), branch)
    else:
        fields = getattr(tree, "_fields", None)
        for i, branch in enumerate(tree):
            yield from _leaves(f"{path}.{fields[i]}" if fields else f"{path}[{i}]", branch)


def _formula(node: Node, names: dict[Node, str]) -> str:
    if not node.made_by:
        return ""
    terms = [names[a] if is_parent(a, node) else _value(a) for a in node.args]
    if node.made_by in INFIX:
        return f" {INFIX[node.made_by]} ".join(terms)
    if node.made_by == "negative":
        return f"-{terms[0]}"
    if node.made_by == "T":
        return f"{terms[0]}.T"
    options = [f"{key}={value}" for key, value in node.options.items()]
    return f"{node.made_by}({', '.join(terms + options)})"


def _value(x: Any) -> str:
    """Write a number, or an array's shape and norm; other constants as they are."""
    x = plain(x)
    if not hasattr(x, "shape"):
        return f"{x + 0.0:.6g}" if isinstance(x, float) else str(x)
    if shape(x) == ():
        return f"{float(x) + 0.0:.6g}"
    xp = namespace([x])
    if not xp.isdtype(x.dtype, "real floating"):
        return f"{shape(x)} {x.dtype}"
    return f"{shape(x)}, norm {float(sqrt(sum(x * x))):.4g}"
