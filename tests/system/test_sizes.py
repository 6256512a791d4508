"""Files, functions and signatures stay small enough to read."""

import ast
import io
import tokenize
from pathlib import Path

import pytest

import xpnn

ROOT = Path(xpnn.__file__).parent
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))
NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
LINES_OF_A_FILE, LINES_OF_A_CORE_FILE, LINES_OF_A_FUNCTION, PARAMETERS = 300, 200, 50, 8
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
# signatures that others have fixed: scikit-learn's, the notes' and that of `fit`
LONG_SIGNATURES = {
    "training/fit.py:fit",
    "estimators/mlp.py:__init__",
    "estimators/logistic.py:__init__",
    "course/improving.py:update_parameters_with_adam",
}


def lines_of_code(text, tree):
    """Return the numbers of the lines that are neither blank, comment nor docstring."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    code = {n for t in tokens if t.type not in NO_CODE for n in range(t.start[0], t.end[0] + 1)}
    for node in ast.walk(tree):
        for child in getattr(node, "body", None) or () if not isinstance(node, ast.expr) else ():
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                code -= set(range(child.lineno, child.end_lineno + 1))
    return code


@pytest.mark.parametrize("module", MODULES)
def test_sizes(module):
    text = (ROOT / module).read_text(encoding="utf-8")
    tree = ast.parse(text)
    code = lines_of_code(text, tree)
    limit = LINES_OF_A_CORE_FILE if module.startswith("core/") else LINES_OF_A_FILE
    assert len(code) <= limit
    for function in (node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)):
        name, a = f"{module}:{function.name}", function.args
        parameters = [*a.posonlyargs, *a.args, *a.kwonlyargs]
        signature = set(range(function.lineno, function.body[0].lineno))
        own = {n for n in code - signature if function.lineno <= n <= function.end_lineno}
        assert len(own) <= LINES_OF_A_FUNCTION, name
        n = len(parameters) - (bool(parameters) and parameters[0].arg in {"self", "cls"})
        assert n <= PARAMETERS or name in LONG_SIGNATURES, name


def test_the_counter_counts():
    text = '"""One."""\n\n\ndef f(x):  # a comment\n    """Two\n    lines."""\n    return x\n'
    assert lines_of_code(text, ast.parse(text)) == {4, 7}
