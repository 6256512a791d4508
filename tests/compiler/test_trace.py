"""Functions of arrays without entries: what becomes a program, and what is refused."""

import numpy as np
import pytest
from array_api_compat import numpy as np_compat

import xpnn
from tests.compiler.steps import Case, arrays_of, cases, name_of, program_of, step_of
from xpnn import graph
from xpnn.compiler import namespace as nx
from xpnn.compiler.program import Symbol
from xpnn.compiler.trace import Spec, trace

VECTOR, MATRIX = Spec((3,), "float32"), Spec((2, 3), "float32")
EACH = {"ids": name_of}


def run(function, *arrays):
    """Trace a function for some arrays, and interpret the program."""
    program = trace(function, [Spec(a.shape, a.dtype) for a in arrays])
    return program.interpret(arrays, np_compat)


def functions_of(program):
    return [operation.function for operation in program.operations]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", cases(), **EACH)
def test_the_core_becomes_a_program_with_the_same_numbers(case, dtype):
    program = program_of(case, dtype)
    for m in (7, 1):  # one program for any number of examples
        arrays = arrays_of(case, m, dtype)
        found = program.interpret(arrays, np_compat)
        expected = step_of(case)(*map(Core, map(np.copy, arrays)))
        for a, b in zip(found, expected, strict=True):
            assert a.dtype == dtype
            np.testing.assert_array_equal(a, b)


class Core(np.ndarray):
    """A NumPy array whose namespace is array-api-compat's, as that of the backend is."""

    def __new__(cls, a):
        return np.asarray(a).view(cls)

    def __array_namespace__(self, api_version=None):
        return np_compat


def test_interpreted_on_every_backend(backend):
    case = cases()[-1]
    arrays = arrays_of(case, 6)
    expected = program_of(case).interpret(arrays, np_compat)
    moved = [backend.asarray(a, backend.dtype) for a in arrays]
    with backend.current():
        found = program_of(case).interpret(moved, backend.xp)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(backend.to_numpy(a), b, rtol=2e-5, atol=1e-6)


def test_the_graph_differentiates_what_is_traced():
    def f(x):
        return (graph.grad(lambda x: graph.sum(graph.exp(x) * graph.maximum(x, 0.0)))(x),)

    x = np.asarray([-1.0, 0.5, 2.0])
    (found,) = run(f, x)
    np.testing.assert_allclose(found, np.where(x > 0.0, np.exp(x) * (x + 1.0), 0.0))


def test_the_text():
    program = trace(lambda a, b: (nx.sum(a.T @ b * 2.0, axis=0) + 1,), [MATRIX, MATRIX])
    assert str(program) == (
        "(%0: float32[2, 3], %1: float32[2, 3]) ->\n"
        "  %2: float32[3, 2] = permute_dims(%0, axes=(1, 0))\n"
        "  %3: float32[3, 3] = matmul(%2, %1)\n"
        "  %4: float32[3, 3] = multiply(%3, 2.0)\n"
        "  %5: float32[1, 3] = sum(%4, axis=(0,))\n"
        "  %6: float32[3] = reshape(%5, shape=(3,))\n"
        "  %7: float32[3] = add(%6, 1)\n"
        "  return %7"
    )


def test_the_same_is_computed_once_and_what_nobody_needs_not_at_all():
    program = trace(lambda x: (nx.exp(x) * nx.exp(x), nx.log(x))[:1], [VECTOR])
    assert functions_of(program) == ["exp", "multiply"]


def test_numbers_of_different_types_are_not_the_same():
    x = np.asarray([1, 2, 3])
    found = run(lambda x: (x * 1, x * 1.0, x * True, x + 0.0, x + -0.0), x)
    assert [a.dtype.kind for a in found] == ["i", "f", "i", "f", "f"]


def test_layouts_in_a_row_are_one():
    program = trace(lambda x: (x.T.T,), [MATRIX])
    assert functions_of(program) == []
    twice = trace(lambda x: (nx.reshape(nx.reshape(x, (6,)), (3, 2)),), [MATRIX])
    assert functions_of(twice) == ["reshape"]
    there_and_back = trace(lambda x: (nx.reshape(nx.reshape(x, (6,)), (2, 3)),), [MATRIX])
    assert functions_of(there_and_back) == []


@pytest.mark.parametrize(
    "key",
    [
        0,
        -1,
        slice(None),
        slice(None, None, -1),
        (slice(1, None), 2),
        (..., 0),
        (None, 1, slice(0, 2)),
        (slice(None), None),
        (slice(3, 1), ...),
    ],
    ids=str,
)
def test_parts(key):
    x = np.arange(12.0).reshape(3, 4)
    (found,) = run(lambda x: (x[key],), x)
    np.testing.assert_array_equal(found, x[key])


def test_an_array_that_the_function_holds_is_a_constant():
    table = np.asarray([1.0, 2.0, 3.0], dtype="float32")
    program = trace(lambda x: (x * table, x + table), [VECTOR])
    assert [array is table for _, array in program.constants] == [True]
    found = program.interpret([np.ones(3, "float32")], np_compat)
    np.testing.assert_array_equal(found, [table, table + 1.0])


def test_an_array_changed_in_place_is_another_value_from_then_on():
    def f(x):
        y = x * 2.0
        z = y
        y += 1.0
        return z, x

    x = np.asarray([1.0, 2.0])
    for found, expected in zip(run(f, x), f(x.copy()), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_every_operator_in_place_changes_all_names_of_the_array():
    def f(x):
        y = z = x * 1.0
        y **= 2
        y -= 1.0
        y *= 3.0
        y /= 2.0
        y //= 1.0
        y %= 5.0
        return (z,)

    x = np.asarray([1.5, 2.0, 7.0])
    np.testing.assert_array_equal(run(f, x), f(x))


def read_a_view(x):
    y = x * 1.0
    view = y[0:2]
    y += 1.0
    return (view,)


def change_through_a_view(x):
    y = x * 1.0
    part = y[0:2]
    part *= 2.0
    return (y,)


def grow(x):
    y = x[0:1]
    y += x
    return (y,)


def narrow(x):
    y = nx.astype(x, nx.int64)
    y += x
    return (y,)


@pytest.mark.parametrize("f", [read_a_view, change_through_a_view, grow, narrow])
def test_changes_that_numpy_would_make_elsewhere_are_refused(f):
    with pytest.raises(xpnn.exceptions.TraceError, match=r"write x = x \+ y"):
        trace(f, [VECTOR])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x if nx.sum(x) > 0.0 else -x,
        lambda x: x * float(x[0]),
        lambda x: x[int(x[0])],
        np.asarray,
        lambda x: max(x[0], x[1]),
    ],
    ids=["if", "float", "int", "NumPy", "max"],
)
def test_who_asks_for_a_value_is_told_what_to_write(f):
    with pytest.raises(xpnn.exceptions.TraceError, match=r"xp\.where"):
        trace(lambda x: (f(x),), [VECTOR])


def assign(x):
    x[0] = 1.0
    return (x,)


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (assign, r"xp\.where"),
        (lambda x: (x[nx.astype(x, nx.int64)],), r"xp\.take"),
        (lambda x: (x[3],), "integers inside the shape"),
        (lambda x: ("text",), "expected arrays and numbers, found str"),
    ],
    ids=["an assignment", "an array of indices", "beyond the end", "a text"],
)
def test_what_is_not_the_standards_is_refused(f, said):
    with pytest.raises(xpnn.exceptions.TraceError, match=said):
        trace(f, [VECTOR])


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: x + y,
        lambda x, y: x @ x,
        lambda x, y: nx.concat([x, y[None, :, None]], axis=1),
        lambda x, y: nx.sum(x, axis=2),
    ],
    ids=["add", "matmul", "concat", "sum"],
)
def test_shapes_that_do_not_fit(f):
    with pytest.raises(xpnn.exceptions.ArgumentError):
        trace(lambda x, y: (f(x, y),), [MATRIX, Spec((4,), "float32")])


def test_a_size_that_is_not_known_yet_is_no_number():
    rows = Spec((Symbol("m"), 3), "float32")
    program = trace(lambda X: (nx.sum(X, axis=0) / 2.0,), [rows])
    assert str(program.inputs[0]) == "%0: float32[m, 3]"
    for f in (
        lambda X: X / X.shape[0],
        lambda X: X / X.size,
        lambda X: X[0:2],
        lambda X: X / len(X),
    ):
        with pytest.raises(TypeError):
            trace(lambda X, f=f: (f(X),), [rows])


def test_an_array_of_another_trace_is_refused():
    kept = []
    trace(lambda x: (kept.append(x) or x,), [VECTOR])
    with pytest.raises(xpnn.exceptions.TraceError, match="of one trace"):
        trace(lambda x: (x + kept[0],), [VECTOR])
    with pytest.raises(xpnn.exceptions.TraceError, match="found one outside"):
        nx.zeros(3)


def test_a_program_says_which_shape_it_wants():
    program = program_of(Case(xpnn.Network([4, 5, 3])))
    arrays = arrays_of(Case(xpnn.Network([4, 5, 3])), 5)
    arrays[2] = arrays[2][:4]
    with pytest.raises(xpnn.exceptions.ArgumentError, match=r"expected an array for %2.*\(4, 3\)"):
        program.interpret(arrays, np_compat)
