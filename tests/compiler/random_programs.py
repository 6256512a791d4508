"""Random programs, as functions to trace: entrywise functions, reductions, products, layouts."""

from hypothesis import strategies as st

UNARY = ["exp", "negative", "tanh", "abs", "sqrt", "log1p", "square", "sign", "floor"]
BINARY = ["add", "subtract", "multiply", "divide", "maximum", "minimum", "logaddexp"]
COMPARISONS = ["less", "less_equal", "greater", "greater_equal", "equal", "not_equal"]
REDUCTIONS = ["sum", "max", "min", "prod"]
SHAPES = [(4, 6), (1, 6), (4, 1), (6, 4), (4, 4), (6,), ()]
AXES = [None, 0, 1]
NUMBERS = [0.0, -0.0, 1.0, -2.5, 0.5, 3]

operands = st.integers(0, 30)
instructions = st.one_of(
    st.tuples(st.just("unary"), st.sampled_from(UNARY), operands),
    st.tuples(st.just("binary"), st.sampled_from(BINARY), operands, operands),
    st.tuples(st.just("number"), st.sampled_from(BINARY), operands, st.sampled_from(NUMBERS)),
    st.tuples(st.just("where"), st.sampled_from(COMPARISONS), operands, operands),
    st.tuples(st.just("mask"), st.sampled_from(COMPARISONS), operands, st.sampled_from(NUMBERS)),
    st.tuples(st.just("in place"), st.sampled_from(["+", "*"]), operands, operands),
    st.tuples(
        st.just("reduce"), st.sampled_from(REDUCTIONS), operands, st.sampled_from([None, 0, 1])
    ),
    st.tuples(st.just("matmul"), st.just(""), operands, operands),
    st.tuples(st.just("transpose"), st.just(""), operands),
    st.tuples(st.just("flatten"), st.just(""), operands),
    st.tuples(st.just("cut"), st.just(""), operands, st.integers(0, 3)),
    st.tuples(st.just("concat"), st.just(""), operands, operands),
)
programs = st.lists(instructions, min_size=1, max_size=14)


def function_of(program):
    """Return the function of some arrays that carries out the instructions whose shapes fit."""

    def function(*arrays):
        xp = arrays[0].__array_namespace__()
        found = list(arrays)
        for instruction in program:
            kind, name, *rest = instruction
            a = found[rest[0] % len(found)]
            b = rest[1] if len(rest) > 1 else None
            if kind in ("binary", "where", "in place", "matmul", "concat"):
                b = found[b % len(found)]
            made = compute(kind, name, a, b, xp)
            if made is not None:
                found.append(made)
        return tuple(found[len(arrays) :][-4:]) or (found[-1] + 1.0,)

    return function


def compute(kind, name, a, b, xp):
    """Carry one instruction out, or return None if the shapes do not allow it."""
    if kind == "unary":
        return getattr(xp, name)(a)
    if kind == "number":
        return getattr(xp, name)(a, b) if name != "logaddexp" else a
    if kind == "mask":
        return xp.astype(getattr(a, f"__{SHORT[name]}__")(b), a.dtype) * a
    if kind == "transpose":
        return a.T if a.ndim == 2 else None
    if kind == "flatten":
        return xp.reshape(a, (-1,))
    if kind == "reduce":
        return getattr(xp, name)(a, axis=b, keepdims=True) if a.ndim == 2 else None
    if kind == "cut":
        return a[b:] if a.ndim and a.shape[0] > b else None
    if kind == "matmul":
        return a @ b if (a.ndim, b.ndim) == (2, 2) and a.shape[1] == b.shape[0] else None
    if kind == "concat":
        return (
            xp.concat([a, b])
            if a.ndim == b.ndim and a.ndim and a.shape[1:] == b.shape[1:]
            else None
        )
    return entrywise(kind, name, a, b, xp)


SHORT = dict(zip(COMPARISONS, ["lt", "le", "gt", "ge", "eq", "ne"], strict=True))


def entrywise(kind, name, a, b, xp):
    """Carry an instruction on two arrays out that broadcast."""
    if not fits(a.shape, b.shape):
        return None
    if kind == "where":
        return xp.where(getattr(xp, name)(a, b), a, b)
    if kind == "in place":
        if broadcast(a.shape, b.shape) != tuple(a.shape):
            return None
        c = a * 1.0
        if name == "+":
            c += b
        else:
            c *= b
        return c
    return getattr(xp, name)(a, b)


def fits(shape, other):
    """Whether two shapes broadcast."""
    pairs = zip(reversed(shape), reversed(other), strict=False)
    return all(n == k or 1 in (n, k) for n, k in pairs)


def broadcast(shape, other):
    """Return the shape of two that broadcast."""
    rank = max(len(shape), len(other))
    shape, other = ((1,) * (rank - len(s)) + tuple(s) for s in (shape, other))
    return tuple(max(n, k) for n, k in zip(shape, other, strict=True))
