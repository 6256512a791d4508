"""scikit-learn's own tests of `MLPClassifier` and `MLPRegressor`, run on xpnn's estimators.

``python tests/programs/sklearn_mlp.py`` says how many pass, and names the others; with ``--report``
it names all. The installed ``sklearn/neural_network/tests/test_mlp.py`` is collected while
``sklearn.neural_network`` offers xpnn's two classes instead of its own; nothing in it is
copied or altered. It exits with 0 if exactly the tests of `EXPECTED` fail.
"""

import argparse
import os
import sys
from importlib.metadata import version
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest

MODULE = "sklearn.neural_network.tests.test_mlp"
EXPECTED = {
    "test_gradient": "calls the private method _loss_grad_lbfgs, which xpnn does not have",
}


class OnXpnn:
    """A pytest plugin: give test modules xpnn's classes, and note the outcome of each test."""

    def __init__(self):
        self.outcomes = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self):
        import sklearn.neural_network

        import xpnn

        classes = {name: getattr(xpnn, name) for name in ("MLPClassifier", "MLPRegressor")}
        with patch.multiple(sklearn.neural_network, **classes):
            return (yield)

    def pytest_collection_modifyitems(self, items):
        """Guard against testing scikit-learn's classes after all."""
        for item in items:
            if not item.module.MLPClassifier.__module__.startswith("xpnn."):
                raise pytest.UsageError(f"{item.nodeid} tests scikit-learn's own MLPClassifier")

    def pytest_runtest_logreport(self, report):
        name = report.nodeid.rpartition("::")[2]
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[name] = report.outcome

    @pytest.fixture
    def global_random_seed(self):
        """The seed that scikit-learn's tests take unless told otherwise."""
        return 42


def run(pytest_args=()):
    """Run scikit-learn's tests; return {test: "passed", "failed" or "skipped"}."""
    plugin = OnXpnn()
    with TemporaryDirectory() as root:  # no configuration, no conftest, no cache of any project
        isolated = ["-c", os.devnull, "--rootdir", root, "--noconftest", "-p", "no:cacheprovider"]
        code = pytest.main([find_spec(MODULE).origin, *isolated, *pytest_args], plugins=[plugin])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or not plugin.outcomes:
        raise SystemExit(f"pytest ended with {code!r}, {len(plugin.outcomes)} outcomes")
    return plugin.outcomes


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--report", action="store_true", help="name the tests that pass, too")
    report = parser.parse_args().report
    outcomes = run(["-q", "--tb=short", "--no-header"])

    print(f"\nxpnn {version('xpnn')}, tests of scikit-learn {version('scikit-learn')}")
    for name, outcome in outcomes.items():
        if report or outcome != "passed":
            print(f"{outcome}  {name}  {EXPECTED.get(name, '')}".rstrip())
    passed = sum(outcome == "passed" for outcome in outcomes.values())
    print(f"{passed} of {len(outcomes)} pass")
    failed = {name for name, outcome in outcomes.items() if outcome == "failed"}
    return 0 if failed == set(EXPECTED) else 1


if __name__ == "__main__":
    sys.exit(main())
