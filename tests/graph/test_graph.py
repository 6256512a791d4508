"""The computation graph: every derivative of its table, and what is made of them.

Central differences are the oracle of every function, by every argument; `jax.grad` and
`torch.func.grad` where they are installed; for networks the gradients derived by hand.
"""

import math
import operator
import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from importlib import import_module

import array_api_compat.numpy as numpy_xp
import numpy as np
import pytest

import xpnn
from tests.core.test_propagation import HIDDEN, OUTPUTS, M, on, problem
from tests.helpers import read_only, usable
from xpnn import graph
from xpnn.core import propagation
from xpnn.core.parameters import ravel, unravel
from xpnn.graph.functions import embed, put
from xpnn.graph.gradients import differentiate
from xpnn.graph.node import DERIVATIVES, history


@pytest.fixture
def arrays_leave_operators(monkeypatch):
    """Let ``array * node`` reach the node on array-api-strict, too: see its issue 188.

    Its version 2.6 raises TypeError where Python's protocol has NotImplemented. The equations
    of ``core`` do without, arrays on the left and derivatives of derivatives do not.
    """
    try:
        from array_api_strict._array_object import Array
    except ImportError:
        return
    check = Array._check_type_device

    def check_others(self, other):
        return None if isinstance(other, graph.Node) else check(self, other)

    monkeypatch.setattr(Array, "_check_type_device", check_others)


with_reflection = pytest.mark.usefixtures("arrays_leave_operators")


def host(backend, a):
    return a if isinstance(a, float | list | np.ndarray) else backend.to_numpy(a)


def assert_close(backend, actual, expected, rtol=1e-12, atol=1e-15):
    """Compare on the host; 1e-12 is for the same float64 terms in another order."""
    actual, expected = host(backend, actual), host(backend, expected)
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)


# ---- every function, by each of its arguments ------------------------------------------------

RNG = np.random.default_rng(7)


def positive(*shape):
    """Random, so that no two entries are equal: away from every kink."""
    return read_only(RNG.uniform(0.3, 1.7, shape))


def signed(*shape):
    return read_only(RNG.choice([-1.0, 1.0], shape) * positive(*shape))


def call(name, **options):
    return lambda xp, *args: getattr(xp, name)(*args, **options)


def embedded(xp, x):
    if xp is graph:
        return embed(x[1:, :], xp.zeros_like(x), key=(slice(0, -1), slice(None)))
    return xp.concat([x[1:, :], xp.zeros_like(x[:1, :])])


def gathered(xp, x):
    """Add each row to one of two, by the larger of its entries."""
    i = xp.argmax(x, axis=1)
    if xp is graph:
        return put(x, xp.zeros_like(x[:2, :]), i, axis=0)
    hits = [xp.astype(i == k, x.dtype)[:, None] for k in (0, 1)]
    return xp.concat([xp.sum(x * hit, axis=0, keepdims=True) for hit in hits])


ANY_SIGN = ["negative", "abs", "square", "exp", "expm1", "sin", "cos", "atan"]
ANY_SIGN += ["sinh", "cosh", "tanh"]
ABOVE_0 = ("sqrt", "log", "log1p")
BINARY = ("add", "subtract", "multiply", "divide", "pow", "maximum", "minimum", "logaddexp")
SHAPES = [((2, 3), (2, 3)), ((3, 1), (1, 4)), ((), (2, 3)), ((2, 3), (3,))]
REDUCTIONS = [{"axis": 1}, {"axis": -1, "keepdims": True}, {"axis": (0, 2)}, {"keepdims": True}]
REDUCTIONS += [{}, {"axis": (-1, 0), "keepdims": True}]
PRODUCTS = [((2, 3), (3, 4)), ((2, 2, 3), (3, 4)), ((2, 3), (2, 3, 1)), ((2, 3), (3,))]
PRODUCTS += [((3,), (3, 2)), ((3,), (3,)), ((2, 4, 3), (3,)), ((3,), (2, 3, 4))]
KEYS = [(0, slice(None)), (slice(1, None), slice(None, None, 2)), (..., -1)]
KEYS += [(slice(None), None, slice(1, 3))]

# name -> (f, its arguments) for each of its cases
CASES = {name: [(call(name), (signed(2, 3),))] for name in ANY_SIGN}
CASES |= {name: [(call(name), (positive(2, 3),))] for name in ABOVE_0}
CASES |= {
    name: [(call(name), (positive(*a), positive(*b))) for a, b in SHAPES]
    + [(call(name), (1.3, positive(2, 3))), (call(name), (positive(2, 3), 1.3))]
    for name in BINARY
}
CASES["pow"] += [(lambda xp, a: a**3, (signed(2, 3),)), (lambda xp, a: 3**a, (signed(2, 3),))]
CASES |= {
    name: [(call(name, **options), (signed(2, 3, 2),)) for options in REDUCTIONS]
    for name in ("sum", "mean", "max", "min")
}
CASES |= {
    "where": [
        (lambda xp, x, a, b: xp.where(x > 0, a, b), (signed(2, 3), signed(2, 3), signed(3))),
        (lambda xp, x, a: xp.where(x > 0, 1.0, a), (signed(2, 3), signed(2, 1))),
    ],
    "matmul": [(call("matmul"), (signed(*a), signed(*b))) for a, b in PRODUCTS],
    "astype": [(lambda xp, x: xp.astype(x, x.dtype), (signed(3),))],
    "broadcast_to": [(call("broadcast_to", shape=(4, 2, 3)), (signed(2, 1),))],
    "reshape": [(lambda xp, x: xp.reshape(x, (-1, 2)), (signed(2, 3),))],
    "expand_dims": [(call("expand_dims", axis=1), (signed(2, 3),))],
    "squeeze": [(lambda xp, x: xp.squeeze(x, (0, 2)), (signed(1, 2, 1),))],
    "matrix_transpose": [(call("matrix_transpose"), (signed(2, 3, 4),))],
    "T": [(lambda xp, x: x.T @ x.mT, (signed(3, 3),))],
    "take": [
        # the largest of each of four columns, of three rows: one row is taken twice
        (lambda xp, x: xp.take(x, xp.argmax(x, axis=0), axis=0), (signed(3, 4),)),
        (lambda xp, x: xp.take(x, xp.argmax(x, axis=0) - 3, axis=-2), (signed(3, 4),)),
        (lambda xp, x: xp.take(x, xp.argmin(x, axis=1), axis=-1), (signed(3, 2),)),
    ],
    "getitem": [(lambda xp, x, key=key: x[key], (signed(3, 4),)) for key in KEYS],
    "embed": [(embedded, (signed(3, 2),))],
    "put": [(gathered, (signed(3, 2),))],
    "permute_dims": [(lambda xp, x: xp.permute_dims(x, (1, 2, 0)), (signed(2, 3, 4),))],
    "concat": [
        (lambda xp, a, b: xp.concat([a, b, a]), (signed(1, 2), signed(3, 2))),
        (lambda xp, a, b: xp.concat([a, b], axis=-1), (signed(2, 1), signed(2, 3))),
    ],
}
every_function = pytest.mark.parametrize("name", sorted(CASES))
every_namespace_but_jax = pytest.mark.parametrize(
    "backend64",
    [spec for spec in usable("float64") if not spec.startswith("jax")],
    indirect=True,
)


def total(f, xp):
    """Σ sin f: every entry of f has a derivative of its own."""
    return lambda *args: xp.sum(xp.sin(f(xp, *args)))


def by_all(args):
    return tuple(range(len(args)))


def gradients(f, *args):
    return graph.grad(total(f, graph), by_all(args))(*args)


def slope(f, *args):
    """A scalar of the gradients, to differentiate these."""
    return sum(graph.sum(graph.sin(d)) for d in gradients(f, *args))


def central_differences(J, args, h=1e-5):
    """(J(x + h) − J(x − h)) / 2h by every entry: rounding 1e-11, truncation h²/6 J‴ ≈ 1e-10."""
    args = [np.array(a, dtype=float) for a in args]
    derivatives = [np.zeros(a.shape) for a in args]
    for a, d in zip(args, derivatives, strict=True):
        for index in np.ndindex(a.shape):
            here = a[index]
            a[index] = here + h
            above = float(J(*args))
            a[index] = here - h
            d[index] = (above - float(J(*args))) / (2.0 * h)
            a[index] = here
    return derivatives


@cache
def expected(name):
    return [central_differences(total(f, numpy_xp), args) for f, args in CASES[name]]


def test_no_function_is_left_out():
    assert set(CASES) == set(DERIVATIVES)
    for name, cases in CASES.items():
        for f, args in cases:
            J, _, _ = differentiate(total(f, graph), args, by_all(args))
            assert name in {node.made_by for node in history(J)}


@every_namespace_but_jax
@every_function
def test_central_differences(backend64, name):
    for (f, args), grads_expected in zip(CASES[name], expected(name), strict=True):
        grads = gradients(f, *(a if isinstance(a, float) else backend64.asarray(a) for a in args))
        for d, d_expected in zip(grads, grads_expected, strict=True):
            assert isinstance(d, float) or type(backend64).of(d) == backend64
            assert_close(backend64, d, d_expected, rtol=1e-7, atol=1e-9)


@pytest.mark.slow
@every_function
def test_as_jax_does(name):
    jax = pytest.importorskip("jax")
    backend = xpnn.set_backend("jax", "float64")

    @jax.jit  # JAX compiles every operation for every shape: all at once is quicker
    def both(given):
        pairs = [(f, args) for (f, _), args in zip(CASES[name], given, strict=True)]
        by_jax = [jax.grad(total(f, jax.numpy), by_all(args))(*args) for f, args in pairs]
        return [gradients(f, *args) for f, args in pairs], by_jax

    for d, d_jax in zip(*map(jax.tree.leaves, both([a for _, a in CASES[name]])), strict=True):
        assert_close(backend, d, d_jax, atol=1e-14)


@every_function
def test_every_derivative_is_differentiated_again(name):
    for f, args in CASES[name]:
        J = partial(slope, f)
        found = graph.grad(J, by_all(args))(*args)
        for d, d_expected in zip(found, central_differences(J, args), strict=True):
            np.testing.assert_allclose(d, d_expected, rtol=1e-6, atol=1e-8)


OPERATORS = [getattr(operator, f) for f in ("add", "sub", "mul", "truediv", "pow", "matmul")]


@pytest.mark.slow("jax")
@with_reflection
@pytest.mark.parametrize("operation", OPERATORS)
@pytest.mark.parametrize("swap", [False, True])
def test_arrays_and_numbers_beside_a_node(backend64, operation, swap):
    def J(x, c):
        return graph.sum(graph.sin(operation(c, x) if swap else operation(x, c)))

    x, number = backend64.asarray(positive(2, 2)), backend64.asarray(positive())
    for c in [x] if operation is operator.matmul else [x, number, 2, 0.5]:
        dx, _ = graph.grad(J, argnums=(0, 1))(x, c)  # both are nodes
        assert_close(backend64, graph.grad(J)(x, c), dx, rtol=1e-14)


@pytest.mark.slow("jax")
def test_a_mask_picks_entries(backend64):
    x = backend64.asarray([1.0, -2.0, 3.0])
    assert_close(backend64, graph.grad(lambda x: graph.sum(x[x > 0.0] ** 2))(x), [2.0, 0.0, 6.0])


@pytest.mark.slow("jax")
def test_equal_extremes_share_the_derivative(backend64):
    x = backend64.asarray([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    dx = graph.grad(lambda x: graph.sum(graph.max(x, axis=1)))(x)
    assert_close(backend64, dx, [[0.0, 1 / 2, 1 / 2], [1 / 3, 1 / 3, 1 / 3]])
    dx = graph.grad(lambda x: graph.min(x[1, :]))(x)
    assert_close(backend64, dx, [[0.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])


@pytest.mark.slow("jax")
def test_casts(backend64):
    xp, x = backend64.xp, backend64.asarray([1.5, -2.5])
    dx = graph.grad(lambda x: graph.sum(3.0 * graph.astype(x, xp.float32)))(x)
    assert dx.dtype == x.dtype
    assert_close(backend64, dx, [3.0, 3.0])
    # whole numbers do not follow x: derivative 0
    dx = graph.grad(lambda x: graph.sum(x * graph.astype(graph.astype(x, xp.int64), x.dtype)))(x)
    assert_close(backend64, dx, [1.0, -2.0])


FLAT = ("sign", "floor", "ceil", "round", "isfinite", "isnan", "argmax", "argmin", "zeros_like")


@pytest.mark.slow("jax")
@pytest.mark.parametrize("name", [*FLAT, "ones_like"])
def test_flat_functions_leave_the_graph(backend64, name):
    x, seen = backend64.asarray([1.5, -2.5]), []
    graph.grad(lambda x: seen.append(getattr(graph, name)(x)) or graph.sum(x))(x)
    assert not isinstance(seen[0], graph.Node)
    assert_close(backend64, seen[0], getattr(backend64.xp, name)(x))


# ---- J = 3(a + bc) ---------------------------------------------------------------------------


def notes(a, b, c):
    u = graph.name("u", b * c)
    v = graph.name("v", a + u)
    return 3 * v


@pytest.mark.parametrize("kind", ["numbers", "arrays"])
def test_the_notes_example(backend64, kind):
    args = (5.0, 3.0, 2.0) if kind == "numbers" else map(backend64.asarray, (5.0, 3.0, 2.0))
    a, b, c = args
    J, grads = graph.value_and_grad(notes, argnums=(0, 1, 2))(a, b, c)
    assert [float(d) for d in (J, *grads)] == [33.0, 3.0, 6.0, 9.0]
    assert {hasattr(d, "shape") for d in (J, *grads)} == {kind == "arrays"}
    drawing = graph.draw(notes, a, b, c)
    assert [(n.name, n.formula, n.value, n.derivative) for n in drawing.nodes] == [
        ("a", "", "5", "3"),
        ("b", "", "3", "6"),
        ("c", "", "2", "9"),
        ("u", "b * c", "6", "3"),
        ("v", "a + u", "11", "3"),
        ("J", "3 * v", "33", "1"),
    ]
    assert "\nu     b * c    6      3\n" in repr(drawing)
    nodes, edges = parse(drawing.dot())
    assert nodes["u"] == r"u = b * c = 6\ndJ/du = 3"
    assert edges == {("b", "u"), ("c", "u"), ("a", "v"), ("u", "v"), ("v", "J")}


def parse(dot):
    """Read the nodes, with their labels, and the edges of a DOT text of draw's."""
    first, _, *lines, last = dot.splitlines()
    assert (first, last) == ("digraph {", "}")
    text = r'"((?:[^"\\]|\\.)*)"'
    nodes = [re.fullmatch(rf"  {text} \[label={text}\];", line) for line in lines]
    edges = [re.fullmatch(rf"  {text} -> {text};", line) for line in lines]
    assert all(bool(node) != bool(edge) for node, edge in zip(nodes, edges, strict=True))
    labels = dict(node.groups() for node in nodes if node)
    assert len(labels) == sum(map(bool, nodes))  # no name twice
    edges = {edge.groups() for edge in edges if edge}
    assert {end for edge in edges for end in edge} <= set(labels)
    return labels, edges


# ---- networks --------------------------------------------------------------------------------

S = np.asarray([[0.5, 2.0, 0.0, 1.0, 3.0, 0.25]])
networks = pytest.mark.parametrize(
    ("sizes", "hidden", "output", "cost"),
    [
        (sizes, hidden, *pair)
        for sizes in [(3, 2), (3, 4, 2), (3, 4, 4, 4, 2)]
        for hidden in (HIDDEN if len(sizes) > 2 else HIDDEN[:1])
        for pair in OUTPUTS
    ],
)


def cost_of(net, X, Y, share=1.0 / M, decay=None):
    """The cost by ``core`` itself, as a function of the parameters."""

    def J(params):
        _, caches = propagation.forward(params, X, net.activations, graph)
        objective = propagation.Objective(net.activations, net.loss, share, decay)
        return propagation.cost(params, caches, Y, objective, graph)

    return J


def tamed(hidden, output, cost, sizes):
    """A problem where e^e^e^z stays finite."""
    net, params, X, Y = problem(hidden, output, cost, sizes)
    scale = 0.2 if hidden == "exp" else 1.0
    return net, tuple(xpnn.Layer(scale * W, b) for W, b in params), X, Y


def moved(backend, params, X, Y):
    return on(backend, params), backend.asarray(X), backend.asarray(Y)


def vector(backend, params):
    return np.concatenate([backend.to_numpy(part).ravel() for layer in params for part in layer])


@pytest.mark.slow("jax")
@networks
def test_gradients_by_hand(backend64, sizes, hidden, output, cost):
    net, *arrays = tamed(hidden, output, cost, sizes)
    params, X, Y = moved(backend64, *arrays)
    weighted = {"share": backend64.asarray(S / S.sum()), "decay": 0.7 / float(S.sum())}
    for as_core, as_net in (({}, {}), (weighted, {"l2": 0.7, "sample_weight": S})):
        found = graph.grad(cost_of(net, X, Y, **as_core))(params)
        assert all(type(backend64).of(d) == backend64 for layer in found for d in layer)
        g = vector(backend64, found)
        g_by_hand = vector(backend64, net.gradients(params, X, Y, **as_net))
        norm = np.linalg.norm
        assert norm(g - g_by_hand) <= 1e-12 * (norm(g) + norm(g_by_hand))
        assert norm(g) > 0.0


@networks
def test_gradient_check(sizes, hidden, output, cost):
    net, params, X, Y = tamed(hidden, output, cost, sizes)
    assert xpnn.gradient_check(net, params, X, Y, 0.7, S).difference <= 1e-7


def all_zero(backend):
    """A problem where every z lies on the kink of max(z, 0): the two of the cost cancel."""
    net, params, X, Y = problem("tanh", "sigmoid", "binary_cross_entropy", (3, 2))
    return net, *moved(backend, tuple(xpnn.Layer(0.0 * W, 0.0 * b) for W, b in params), X, Y)


@pytest.mark.slow("jax")
def test_all_zero_parameters(backend64):
    net, params, X, Y = all_zero(backend64)
    found, by_hand = graph.grad(cost_of(net, X, Y))(params), net.gradients(params, X, Y)
    np.testing.assert_array_max_ulp(vector(backend64, found), vector(backend64, by_hand), maxulp=1)


def grad_of(library):
    """Return the library's own way to differentiate."""
    jax_or_torch = import_module(library)
    if library == "torch":
        return jax_or_torch.func.grad
    return lambda *args: jax_or_torch.jit(jax_or_torch.grad(*args))


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["jax", "torch"])
def test_all_zero_parameters_by_others(spec):
    grad, backend = grad_of(spec), xpnn.set_backend(spec, "float64")
    net, params, X, Y = all_zero(backend)
    found = vector(backend, grad(lambda params: net.cost(params, X, Y))(params))
    by_hand = vector(backend, net.gradients(params, X, Y))
    np.testing.assert_allclose(found, by_hand, rtol=1e-15, atol=1e-16)  # 0.2 off, were it wrong


@pytest.mark.slow("torch")
@pytest.mark.parametrize("spec", ["jax", "torch"])
def test_a_composite_as_others_do(spec):
    def J(xp, W, x):
        Z = xp.tanh(W @ x) - xp.log1p(xp.exp(x))
        t = xp.exp(Z - xp.max(Z, axis=0, keepdims=True))
        return xp.mean(xp.log(t / xp.sum(t, axis=0, keepdims=True)) ** 2)

    grad, backend = grad_of(spec), xpnn.set_backend(spec, "float64")
    W, x = backend.asarray(signed(3, 3)), backend.asarray(signed(3, 2))
    by_graph = graph.grad(partial(J, graph), (0, 1))
    for d, d_other in zip(by_graph(W, x), grad(partial(J, backend.xp), (0, 1))(W, x), strict=True):
        assert_close(backend, d, d_other)


@pytest.mark.slow("jax")
def test_theta_is_one_vector(backend64):
    net, *arrays = problem("tanh", "softmax", "categorical_cross_entropy")
    params, X, Y = moved(backend64, *arrays)
    J, theta = cost_of(net, X, Y), ravel(params, backend64.xp)
    found = graph.grad(lambda theta: J(unravel(theta, net.sizes, graph)))(theta)
    assert_close(backend64, found, ravel(net.gradients(params, X, Y), backend64.xp))
    found = graph.grad(lambda params: graph.sum(ravel(params, graph) ** 3))(params)
    assert_close(backend64, ravel(found, backend64.xp), 3.0 * theta * theta)


# ---- derivatives of derivatives --------------------------------------------------------------


@with_reflection
def test_second_and_third_derivatives(backend64):
    def derivative(f):
        return graph.grad(lambda x: graph.sum(f(x)))

    x, first = backend64.asarray([1.5, -2.0]), derivative(lambda x: x**3)
    assert_close(backend64, derivative(first)(x), [9.0, -12.0])
    assert_close(backend64, derivative(derivative(first))(x), [6.0, 6.0])
    softplus_prime = derivative(lambda x: graph.log1p(graph.exp(x)))
    sigma = 1.0 / (1.0 + np.exp([-1.5, 2.0]))
    assert_close(backend64, derivative(softplus_prime)(x), sigma * (1.0 - sigma))
    third = derivative(derivative(derivative(lambda x: x[:1] ** 4 + graph.concat([x[1:]]))))
    assert_close(backend64, third(x), [36.0, 0.0])


@with_reflection
@pytest.mark.parametrize("kind", ["numbers", "arrays"])
def test_an_inner_derivative_closes_over_the_outer_variable(backend64, kind):
    x = 3.0 if kind == "numbers" else backend64.asarray(3.0)
    # x d/dy (x y²) at y = x is 2x³
    assert float(graph.grad(lambda x: x * graph.grad(lambda y: x * y * y)(x))(x)) == 54.0
    # x d/dy (x + y) at y = 1 is x; the two variables confused, its derivative would be 2
    assert float(graph.grad(lambda x: x * graph.grad(lambda y: x + y)(1.0))(x)) == 1.0


@pytest.mark.slow("jax")
@with_reflection
def test_functions_of_an_inner_and_an_outer_variable(backend64):
    def f(x):  # d/dy log(e^y + e^x) = σ(y − x), and of max(y, x) it is 1 where y > x
        J = partial(lambda x, y: graph.sum(graph.maximum(y, x) + graph.logaddexp(y, x)), x)
        return graph.sum(x * graph.grad(J)(x + 1.0))

    sigma = 1.0 / (1.0 + math.exp(-1.0))
    dx = graph.grad(f)(backend64.asarray([1.5, 3.0]))
    assert_close(backend64, dx, [1.0 + sigma, 1.0 + sigma])


# ---- what goes in and comes out --------------------------------------------------------------


@pytest.mark.slow("jax")
def test_a_tree_in_the_same_tree_out(backend64):
    def J(tree, scale):
        (x, number), (layer,) = tree["list"], tree["layers"]
        return scale * graph.sum(x * x * number + layer.W)  # x is used twice, b never

    x, one = backend64.asarray([1.0, 2.0]), backend64.asarray([[1.0]])
    tree = {"layers": (xpnn.Layer(one, one),), "list": [x, 2.0]}
    value, (d, d_scale) = graph.value_and_grad(J, argnums=(0, 1))(tree, 3)
    assert float(value) == 36.0
    assert float(d_scale) == float(graph.grad(J, argnums=1)(tree, 3.0)) == 12.0
    assert isinstance(d["layers"][0], xpnn.Layer)
    assert [float(part[0, 0]) for part in d["layers"][0]] == [6.0, 0.0]
    assert isinstance(d["list"], list)
    assert_close(backend64, d["list"][0], [12.0, 24.0])
    assert float(d["list"][1]) == 15.0


def test_a_constant_result_has_derivatives_0(backend64):
    x = backend64.asarray([1.0, 2.0])
    J, dx = graph.value_and_grad(lambda x: 5.0)(x)
    assert J == 5.0
    assert_close(backend64, dx, [0.0, 0.0])
    assert graph.grad(lambda number: graph.sum(x))(4.0) == 0.0
    assert_close(backend64, graph.pullback(graph.square, x, x), [2.0, 8.0])
    assert_close(backend64, graph.pullback(graph.ones_like, x, x), [0.0, 0.0])


def test_deep_graphs(backend64):
    def J(x):
        for _ in range(5000):
            x = x * 1.0001
        return x

    assert float(graph.grad(J)(backend64.asarray(1.5))) == pytest.approx(1.0001**5000, rel=1e-11)


def test_nothing_is_altered():
    for f, args in (case for cases in CASES.values() for case in cases):  # read-only arrays
        before = [np.array(a) for a in args]
        graph.grad(partial(slope, f), by_all(args))(*args)
        for a, a_before in zip(args, before, strict=True):
            np.testing.assert_array_equal(a, a_before)


def test_inside_jit():
    jax = pytest.importorskip("jax")
    net, *arrays = problem("relu", "softmax", "categorical_cross_entropy")
    backend = xpnn.set_backend("jax", "float64")
    params, X, Y = moved(backend, *arrays)
    found = jax.jit(graph.grad(cost_of(net, X, Y)))(params)
    by_jax = jax.jit(jax.grad(lambda params: net.cost(params, X, Y)))(params)
    np.testing.assert_allclose(vector(backend, found), vector(backend, by_jax), rtol=1e-12)


def test_two_threads_at_once():
    def run(k):
        x = np.asarray([0.1 * k, 0.2 * k])
        f = graph.grad(lambda x: graph.sum(graph.tanh(x) ** k))
        return [graph.grad(lambda x: graph.sum(f(x)))(x) for _ in range(200)]

    with ThreadPoolExecutor(2) as pool:
        for k, found in zip((2, 3), pool.map(run, (2, 3)), strict=True):
            np.testing.assert_array_equal(found, run(k))


# ---- errors ----------------------------------------------------------------------------------

NO_SCALARS = [(lambda x: x, r"shape \(2,\)"), (lambda x: None, "None"), (lambda x: "12", "str")]
NO_SCALARS += [(lambda x: (graph.sum(x), x), "tuple")]


@pytest.mark.parametrize(("f", "found"), NO_SCALARS)
def test_a_result_that_is_no_scalar(f, found):
    with pytest.raises(xpnn.ArgumentError, match=f"expected a scalar.*found {found}.*sum it"):
        graph.grad(f)(np.asarray([1.0, 2.0]))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.asarray([1, 2]), r"real floating.*found dtype int64.*dtype='float64'"),
        ("12", r"arrays or numbers.*found str.*numpy\.asarray"),
        (["1", "2"], "arrays or numbers.*found str"),
        (None, "arrays or numbers.*found NoneType"),
        (True, "arrays or numbers.*found bool"),
    ],
)
def test_a_variable_of_the_wrong_kind(x, message):
    with pytest.raises(xpnn.ArgumentTypeError, match=message):
        graph.grad(lambda x: 1.0)(x)


def test_unknown_functions():
    with pytest.raises(xpnn.ArgumentTypeError, match=r"square: math has no.*expected arrays"):
        graph.grad(graph.square)(2.0)
    with pytest.raises(AttributeError, match="cumulative_sum"):
        graph.grad(graph.cumulative_sum)(np.asarray([1.0]))


def test_what_nodes_refuse(backend64):
    x = backend64.asarray([1.0, 2.0])
    twice = backend64.xp.asarray([0, 0], device=backend64.device)
    for key in (twice, [0, 0], (twice,)):  # would be counted once
        with pytest.raises(xpnn.ArgumentTypeError, match=r"integers in an array.*xp\.take"):
            graph.grad(lambda x, key=key: graph.sum(x[key]))(x)
    with pytest.raises(TypeError, match="not iterable"):  # JAX would never end
        graph.grad(sum)(x)


def test_a_node_is_as_true_as_its_value(backend64):
    f = graph.grad(lambda x: x * x if x else x)
    assert [float(f(backend64.asarray(x))) for x in (0.0, 3.0)] == [1.0, 6.0]


# ---- drawings --------------------------------------------------------------------------------


def test_a_network_drawn():
    net, params, X, Y = problem("tanh", "sigmoid", "binary_cross_entropy")
    J = cost_of(net, X, Y, decay=0.1)
    drawing = graph.draw(J, params)
    last, names = drawing.nodes[-1], {node.name: node for node in drawing.nodes}
    assert (last.name, last.derivative) == ("J", "1")
    assert float(last.value) == pytest.approx(float(J(params)), rel=1e-5)
    dW = net.gradients(params, X, Y, l2=0.1 * M)[0].W
    assert names["params[0].W"].derivative == f"(4, 3), norm {np.linalg.norm(dW):.4g}"
    nodes, edges = parse(drawing.dot())
    assert set(names) == set(nodes)
    assert {f"params[{l}].{symbol}" for l in (0, 1) for symbol in "Wb"} <= set(nodes)
    assert {start for start, _ in edges} == set(nodes) - {"J"}
    assert len(repr(drawing).splitlines()) == len(nodes) + 1


def test_names_are_told_apart_and_quoted():
    def f(J, *factors):
        for x in factors:
            J = graph.name('the "Z"', J * x)
        return J + graph.sum(graph.astype(factors[0], np.float32)[None])

    nodes, edges = parse(graph.draw(f, 1.0, np.asarray(2.0), 3.0).dot())
    assert {"J", "x1", "x2", r"the \"Z\"", r"the \"Z\"_2", "J_2"} <= set(nodes)
    assert (r"the \"Z\"", r"the \"Z\"_2") in edges


# ---- what a review found ----------------------------------------------------------------------


def test_axes_counted_from_the_end():
    x, c = signed(3, 3, 3), signed(3, 3, 3)
    from_end, from_start = (
        graph.grad(lambda x, axes=axes: graph.sum(graph.permute_dims(x, axes) * c))(x)
        for axes in ((-1, 0, 1), (2, 0, 1))
    )
    np.testing.assert_array_equal(from_end, from_start)


@pytest.mark.slow("jax")
def test_gradients_are_arrays_of_their_own_and_of_the_variables_dtype(backend):
    """In-place steps may follow; the dtype stays float32 whatever a constant has."""
    xp = backend.xp
    a, b = (backend.asarray([1.0, 2.0, 3.0]) for _ in range(2))
    da, db = graph.grad(lambda a, b: graph.sum((a + b) ** 2), (0, 1))(a, b)
    before = backend.to_numpy(db).copy()
    da *= 2.0
    np.testing.assert_array_equal(backend.to_numpy(db), before)
    d = graph.grad(graph.sum)(a)
    d -= 1.0
    assert not xp.any(d != 0.0)
    assert da.dtype == d.dtype == a.dtype


def test_constants_do_not_widen_a_gradient():
    w = np.ones(3, dtype=np.float32)
    assert graph.grad(lambda w: graph.sum(w * np.ones(3)))(w).dtype == np.float32


def test_take_keeps_apart_what_is_infinite(backend64):
    x = backend64.asarray([1.0, 0.0, 4.0])
    i = backend64.xp.argmax(x, axis=0, keepdims=True) * 0
    d = graph.grad(lambda x: graph.sum(graph.sqrt(graph.take(x, i, axis=0))))(x)
    assert_close(backend64, d, np.asarray([0.5, 0.0, 0.0]))


def test_powers_at_0():
    assert graph.grad(lambda x: x**0)(0.0) == 0.0
    third = graph.grad(graph.grad(graph.grad(lambda x: x**2)))
    assert third(0.0) == 0.0


def test_numpy_operators_and_functions_reach_the_graph():
    x = np.asarray([1.0, 2.0])
    np.testing.assert_allclose(graph.grad(lambda x: graph.sum(np.exp(x)))(x), np.exp(x))
    np.testing.assert_array_equal(graph.grad(lambda x: graph.sum(np.ones(2) * x))(x), [1.0, 1.0])

    def added_in_place(b):
        Z = np.zeros(2)
        Z += b
        return graph.sum(Z * Z)

    np.testing.assert_array_equal(graph.grad(added_in_place)(x), [2.0, 4.0])
    assert graph.grad(lambda x: graph.sum(graph.where(np.zeros(2) < x, x, 0.0)))(x).tolist() == [
        1.0,
        1.0,
    ]


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (np.add.reduce, "xp.sum"),
        (np.spacing, "namespace"),
        (lambda x: x.__setitem__(0, 1.0), "xp.where"),
    ],
)
def test_what_numpy_cannot_pass_on_is_told(f, words):
    with pytest.raises(xpnn.ArgumentTypeError, match=words):
        graph.grad(f)(np.ones(2))


def test_wrong_options_fail_at_the_call():
    with pytest.raises(TypeError):
        graph.grad(lambda x: graph.sum(x, 0))(np.ones((2, 2)))
    with pytest.raises(xpnn.ArgumentError, match="argnums"):
        graph.grad(graph.sum, argnums=1)(np.ones(2))


def test_numbers_have_a_sign():
    assert graph.grad(abs)(-3.0) == -1.0


def test_names_are_told_apart_however_they_are_numbered():
    def J(x):
        y = graph.name("Z", x * 2.0)
        z = graph.name("Z", y * 2.0)
        return graph.name("Z_2", z * 2.0)

    names = [node.name for node in graph.draw(J, 1.0).nodes]
    assert len(set(names)) == len(names)


def test_cupy_leaves_operators_to_a_node():
    """CuPy's arrays defer to what has an ``__array_ufunc__`` of None, asked of the object."""

    class LikeCuPy:
        """Just what decides: _should_use_rop in cupy/_core/core.pyx."""

        shape = ()

        def __mul__(self, other):
            return other.__rmul__(2.0) if other.__array_ufunc__ is None else NotImplemented

    assert graph.grad(lambda x: LikeCuPy() * x)(3.0) == 2.0
