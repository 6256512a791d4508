"""Reverse-mode differentiation for any library that follows the Array API standard.

A function of arrays is a graph of operations. Computing it forwards, every operation
is remembered; going backwards, the chain rule gives the derivative of the result by each
intermediate value in turn.

This module is itself a namespace of the standard. A function that takes a namespace
``xp``, as all of ``xpnn.core`` does, is differentiated by passing it this one: what is
differentiated is then the very source that trains. NumPy and CuPy have no automatic
differentiation of their own; here is one.

`grad`, `value_and_grad`   derivatives of a scalar function of arrays or of parameters
`draw`, `name`             the graph with values and derivatives, as text or for Graphviz

The functions of the standard that it has stand in `functions`, each with its derivative on
the same line. It has no in-place operations, and nothing that draws random numbers.
array-api-strict is the one library known to refuse ``array * node``: write the node on the left.

Examples
--------
An independent check of backward propagation:

>>> import numpy as np, xpnn
>>> from xpnn import graph
>>> from xpnn.core import propagation
>>> from xpnn.core.propagation import Objective
>>> net = xpnn.Network([2, 3, 1], hidden="tanh", output="sigmoid")
>>> params = net.init(rng=0)
>>> X, Y = np.asarray([[0.5, -1.0], [2.0, 0.3]]), np.asarray([[0.0, 1.0]])
>>> objective = Objective(net.activations, net.loss, share=1 / 2)
>>> def J(params):
...     _, caches = propagation.forward(params, X, net.activations, graph)
...     return propagation.cost(params, caches, Y, objective, graph)
>>> dW1 = graph.grad(J)(params)[0].W
>>> bool(np.allclose(dW1, net.gradients(params, X, Y)[0].W))
True
"""

from . import functions
from .drawing import Drawing, draw, name
from .functions import *  # noqa: F403
from .gradients import grad, pullback, value_and_grad
from .node import Node

__all__ = ["Drawing", "Node", "draw", "grad", "name", "pullback", "value_and_grad"]
__all__ += functions.__all__


def __getattr__(name: str) -> None:
    if name.startswith("__"):
        raise AttributeError(name)
    raise AttributeError(
        f"xpnn.graph has no {name!r}: expected one of {', '.join(functions.__all__)}; "
        "compose it of these, or give the derivative by hand."
    )
