"""The NumPy emitter against the interpreter: random programs, the core's steps, memory."""

import hypothesis
import numpy as np
import pytest
from array_api_compat import numpy as np_compat
from hypothesis import strategies as st

import xpnn
from tests.compiler.random_programs import SHAPES, function_of, programs
from tests.compiler.steps import arrays_of, cases, name_of, program_of
from xpnn.compiler import namespace as nx
from xpnn.compiler.emit.numpy import emit
from xpnn.compiler.plan import plan
from xpnn.compiler.program import LAYOUT, sizes_of
from xpnn.compiler.trace import Spec, trace

DTYPES = ["float32", "float64"]


def run(program, arrays, given_up=None, times=1):
    """Return the outputs that the emitted code computes, and the code."""
    code = emit(program, plan(program, given_up or {}))
    sizes = {symbol.name: n for symbol, n in sizes_of(program.inputs, arrays).items()}
    step, outputs = code.allocate(**sizes)(*arrays)
    with np.errstate(all="ignore"):
        for _ in range(times):
            step()
    return outputs, code


def assert_close(found, expected):
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    tolerance = 200 * np.finfo(found.dtype).eps if found.dtype.kind == "f" else 0
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def pairs(program):
    """Give up inputs, one for each output of the same shape, unless an output is a view of one."""
    computed = {op.result for op in program.operations if op.function not in LAYOUT}
    if not set(program.outputs) <= computed:
        return {}
    found = {}
    for given in program.inputs:
        for output in program.outputs:
            if output[1:] == given[1:] and output not in found.values() and given not in found:
                found[given] = output
    return found


def check(instructions, dtype, seed, donate):
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in SHAPES]
    arrays[1].flat[:4] = 0.0, -0.0, np.inf, np.nan
    with np.errstate(all="ignore"):
        program = trace(function_of(instructions), [Spec(a.shape, dtype) for a in arrays])
        expected = program.interpret(arrays, np_compat)
    given_up = pairs(program) if donate else {}
    inputs = [a.copy() for a in arrays]
    found, code = run(program, inputs, given_up)
    hypothesis.note(code.source)
    for a, b in zip(found, expected, strict=True):
        assert_close(a, b)
    for value, a, before in zip(program.inputs, inputs, arrays, strict=True):
        if value in given_up:
            assert_close(a, expected[program.outputs.index(given_up[value])])
        else:
            np.testing.assert_array_equal(a, before)


@hypothesis.given(
    programs, st.sampled_from(["float32", "float64"]), st.integers(0, 99), st.booleans()
)
@hypothesis.settings(max_examples=60)
def test_random_programs(instructions, dtype, seed, donate):
    check(instructions, dtype, seed, donate)


@pytest.mark.slow
@hypothesis.given(
    programs, st.sampled_from(["float32", "float64"]), st.integers(0, 99), st.booleans()
)
@hypothesis.settings(max_examples=500, suppress_health_check=list(hypothesis.HealthCheck))
def test_many_random_programs(instructions, dtype, seed, donate):
    check(instructions, dtype, seed, donate)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", cases(), ids=name_of)
def test_steps(case, dtype):
    """Two steps, the second from where the first has ended, in buffers that are reused."""
    program = program_of(case, dtype)
    carried = 1 + case.optimizer.slots
    given_up = dict(zip(program.inputs[:carried], program.outputs[:carried], strict=True))
    for m in (7, 1):
        arrays = arrays_of(case, m, dtype)
        after = program.interpret(arrays, np_compat)
        expected = program.interpret([*after[:carried], *arrays[carried:]], np_compat)
        inputs = [a.copy() for a in arrays]
        found, _ = run(program, inputs, given_up, times=2)
        for a, b in zip(found, expected, strict=True):
            assert_close(a, b)
        for a, b in zip(inputs[:carried], expected, strict=False):
            assert_close(a, b)


def test_special_numbers_are_kept():
    """NaN, infinities, both zeros and the smallest numbers, to the bit."""
    x = np.asarray([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 1.0], dtype="float32")
    functions = [
        lambda x: nx.maximum(x, 0.0),
        lambda x: nx.minimum(x, 0.0),
        lambda x: nx.where(x > 0.0, x, 0.0),
        lambda x: nx.where(x == 0.0, 1.0, x),
        lambda x: nx.astype(x > 0.0, x.dtype) * x,
        lambda x: x * 1.0 + 0.0,
        lambda x: 0.0 - x,
        lambda x: -x,
        nx.abs,
        lambda x: 1.0 / x,
    ]
    program = trace(lambda x: [f(x) for f in functions], [Spec(x.shape, x.dtype)])
    with np.errstate(all="ignore"):
        expected = program.interpret([x], np_compat)
    for a, b in zip(run(program, [x])[0], expected, strict=True):
        np.testing.assert_array_equal(np.signbit(a), np.signbit(b))
        np.testing.assert_array_equal(a, b)


def overwrite_what_is_joined(x, y):
    a = x * 2.0
    whole = nx.concat([a, y])
    return whole * 3.0, a


def join_what_is_joined(x, y):
    whole = nx.concat([x * 2.0, y + 1.0])
    return (nx.concat([whole, y * 3.0]),)


def flatten_a_part(x, y):
    table = nx.reshape(nx.concat([x * 2.0, y + 1.0]), (4, 2))
    every_other = nx.reshape(table[::2], (4,))
    backwards = nx.reshape(table[::-1], (8,))
    return every_other * 1.0, backwards + 0.0


@pytest.mark.parametrize(
    "function", [overwrite_what_is_joined, join_what_is_joined, flatten_a_part]
)
def test_what_shares_memory_keeps_its_numbers(function):
    x, y = np.asarray([1.0, 2.0, 3.0, 4.0]), np.asarray([5.0, 6.0, 7.0, 8.0])
    program = trace(function, [Spec((4,), "float64")] * 2)
    expected = program.interpret([x, y], np_compat)
    for a, b in zip(run(program, [x, y], times=2)[0], expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_output_that_is_an_input_or_asked_for_twice():
    program = trace(lambda x: (x, x * 2.0, x * 2.0, x.T), [Spec((2, 2), "float64")])
    x = np.asarray([[1.0, 2.0], [3.0, 4.0]])
    for a, b in zip(run(program, [x])[0], (x, x * 2.0, x * 2.0, x.T), strict=True):
        np.testing.assert_array_equal(a, b)


def test_two_inputs_change_places():
    program = trace(lambda x, y: (y * 1.0, x + 0.0), [Spec((3,), "float64")] * 2)
    x, y = np.asarray([1.0, 2.0, 3.0]), np.asarray([4.0, 5.0, 6.0])
    given_up = dict(zip(program.inputs, program.outputs, strict=True))
    run(program, [x, y], given_up)
    np.testing.assert_array_equal(x, [4.0, 5.0, 6.0])
    np.testing.assert_array_equal(y, [1.0, 2.0, 3.0])


def test_an_input_that_an_output_views_cannot_be_given_up():
    program = trace(lambda x: (x.T,), [Spec((2, 2), "float64")])
    with pytest.raises(xpnn.exceptions.ArgumentError, match="no output is a view"):
        plan(program, {program.inputs[0]: program.outputs[0]})


def test_gradients_are_computed_where_they_are_joined():
    case = cases()[0]
    program = program_of(case)
    given_up = {program.inputs[0]: program.outputs[0]}
    planned = plan(program, given_up)
    assert set(planned.joins.values()) == {()}
    assert planned.moves == ()
