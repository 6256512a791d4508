"""What importing xpnn loads, in a process of its own."""

import json

from tests.helpers import NAMES, python


def test_import_is_light():
    code = "import json, sys, xpnn; print(json.dumps(sorted(sys.modules)))"
    done = python(code)
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert "numpy" in loaded
    optional = {*NAMES, "matplotlib", "onnx", "pandas", "scipy", "sklearn"} - {"numpy"}
    assert not loaded & optional


def test_numpy_work_loads_no_other_library():
    code = """
import json, sys, xpnn
net = xpnn.Network([2, 2])
net.score(net.init(rng=0), [[1.0], [2.0]], [[1]])
try:
    xpnn.set_backend("pytroch")
except xpnn.ArgumentError:
    pass
print(json.dumps(sorted(sys.modules)))
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & {"cupy", "jax", "torch", "array_api_strict"}
