"""scikit-learn's `check_estimator`, whole, on each estimator: nothing fails, nothing is excused.

Each runs in a process of its own in which SciPy's Array API support is on, so that the checks
of scikit-learn's array-API dispatch run too.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from importlib.metadata import version

import pytest

from tests.helpers import unusable

pytestmark = pytest.mark.slow

ESTIMATORS = ("MLPClassifier", "MLPRegressor", "LogisticRegression")
SKLEARN = tuple(map(int, version("scikit-learn").split(".")[:2]))

# What scikit-learn says when it skips a check that has nothing to run on.
REASONS = (
    r"(cupy|dpnp|torch|array_api_strict|pandas|polars) is not installed: not (checking|testing) .*",
    r"PyTorch test requires cuda, which is not available",
    r"(Skipping XPU device test because no XPU|XPU is not|MPS is not) .*available.*",
    r"Skipping MPS device test because PYTORCH_ENABLE_MPS_FALLBACK is not set\.",
    r"MLPClassifier does not have a decision_function method\.",  # neither has scikit-learn's
)

CHECK = """
import json
import sys

from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

import xpnn

estimator = getattr(xpnn, sys.argv[1])()
checks = [check for _, check in estimator_checks_generator(estimator)]
results = check_estimator(estimator, on_skip=None, on_fail=None)
records = []
for check, result in zip(checks, results, strict=True):
    error = result["exception"]
    text = "" if error is None else f"{type(error).__name__}: {error}"
    records.append((result["check_name"], repr(check.keywords), result["status"], text))
print(json.dumps(records))
"""


@pytest.fixture(scope="module")
def runs():
    """Start the checks of all estimators at once; return the processes by name."""
    environment = os.environ | {
        "SCIPY_ARRAY_API": "1",
        "PYTHONWARNINGS": "ignore",
        "OMP_NUM_THREADS": "1",  # the arrays are small, the processes several
    }
    with ExitStack() as stack:
        processes = {}
        for name in ESTIMATORS:
            command = [sys.executable, "-c", CHECK, name]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            process = subprocess.Popen(command, env=environment, **pipes)
            processes[name] = stack.enter_context(process)
            stack.callback(process.kill)
        yield processes


@pytest.fixture(scope="module", params=ESTIMATORS)
def records(request, runs):
    """Return (check, its arguments, status, exception) of all checks of an estimator."""
    out, err = runs[request.param].communicate(timeout=300)
    assert out.startswith("["), err
    found = [tuple(record) for record in json.loads(out)]
    if unusable("cupy"):  # scikit-learn looks whether CuPy is installed, not whether it has a GPU
        found = [record for record in found if "'array_namespace': 'cupy'" not in record[1]]
    if SKLEARN >= (1, 9):
        return found
    # before, they wanted labels on the device, and knew of no NumPy arrays beside others
    return [record for record in found if not record[0].startswith("check_array_api")]


def test_no_check_fails(records):
    counts = Counter(status for _, _, status, _ in records)
    print(dict(counts))
    assert [record for record in records if record[2] not in {"passed", "skipped"}] == []
    assert counts["passed"] >= 50  # scikit-learn 1.9 has 60 for its own MLPRegressor


def test_checks_are_skipped_for_scikit_learns_own_reasons(records):
    reasons = {text for _, _, status, text in records if status == "skipped"}
    print(*sorted(reasons), sep="\n")
    known = re.compile(r"SkipTest: (" + "|".join(REASONS) + ")", re.DOTALL)
    assert {reason for reason in reasons if not known.fullmatch(reason)} == set()


@pytest.mark.skipif(SKLEARN < (1, 9), reason="the checks are right since scikit-learn 1.9")
@pytest.mark.parametrize(
    ("spec", "at_least"),
    [
        ("numpy", 1),
        ("array_api_strict", 2),  # float64, and float32 on another device
        ("torch", 2),  # float64 and float32
    ],
)
def test_array_api_checks_run(records, spec, at_least):
    passed = [
        arguments
        for name, arguments, status, _ in records
        if status == "passed"
        and name.startswith("check_array_api_input")
        and f"'array_namespace': '{spec}'" in arguments
    ]
    print(*passed, sep="\n")
    assert len(passed) >= at_least


@pytest.mark.skipif(SKLEARN < (1, 9), reason="these checks came in scikit-learn 1.9")
@pytest.mark.parametrize(
    ("check", "specs"),
    [
        ("check_array_api_mixed_inputs", ("array_api_strict", "torch")),
        ("check_array_api_same_namespace", ("array_api_strict",)),
    ],
)
def test_array_api_checks_over_two_libraries_run(records, check, specs):
    statuses = [status for name, _, status, _ in records if name == check]
    assert "passed" in statuses
