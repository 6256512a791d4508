"""Ctrl-C after every line of Python that a training, a save and a load run.

``python tests/programs/interrupt_every_line.py`` raises KeyboardInterrupt after the first line,
then after the second, and so on, the lines of NumPy and of the standard library among them, and
looks each time at the settings of the process, at what has been learnt, and at the files. It prints
what is wrong and exits with 0 if nothing is. ``--every 50`` takes each fiftieth line only.
"""

import argparse
import dis
import gc
import io
import signal
import sys
import threading
import warnings
from contextlib import redirect_stderr
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

import xpnn
from xpnn import _signals
from xpnn._backends import selection
from xpnn._backends.threads import blas

NET = xpnn.Network([2, 3, 1], hidden="tanh", output="sigmoid")
X, Y = xpnn.data.moons(m=12, rng=0)
START = NET.init(rng=0)
EPOCHS = 2
OURS = Path(xpnn.__file__).parent


@cache
def lock_exits(code):
    """Return where other libraries call ``__exit__`` in a function.

    There is a line there, but no signal: Python looks for one after a call, not before. An
    exception there would leave a lock of the standard library closed for ever.
    """
    if Path(code.co_filename).is_relative_to(OURS):
        return ()
    steps = [step for step in dis.get_instructions(code) if step.opname != "CACHE"]
    nones = [step.opname == "LOAD_CONST" and step.argval is None for step in steps]
    return {step.offset for i, step in enumerate(steps) if all(nones[i : i + 3])}


class Interrupted:
    """A context in which KeyboardInterrupt comes after so many lines; how many there were."""

    def __init__(self, line):
        self.line, self.lines = line, 0

    def __enter__(self):
        sys.settrace(self.trace)
        return self

    def __exit__(self, *error):
        sys.settrace(None)

    def trace(self, frame, event, argument):
        """Count a line; tracing ends with the exception."""
        if frame.f_code is Interrupted.__exit__.__code__:
            return None
        if event == "line" and frame.f_lasti not in lock_exits(frame.f_code):
            self.lines += 1
            if self.lines == self.line:
                raise KeyboardInterrupt
        return self.trace


def settings():
    """Return what holds for the whole process or thread."""
    return {
        "BLAS threads": [library.num_threads for library in blas()],
        "signals": [signal.getsignal(s) for s in _signals.DEFAULTS],
        "arrived": list(_signals.arrived),
        "backend": (selection._override.get(), selection._default),
        "warnings": list(warnings.filters),
        "floating-point errors": np.geterr(),
        "progress bars": sum(hasattr(bar, "pos") for bar in tqdm._instances),  # that have a row
        "threads": threading.active_count(),
    }


def flat(params):
    """Return the parameters as one list of numbers."""
    return [float(v) for layer in params for a in layer for v in np.ravel(a)]


# ---- what is interrupted: (folder) -> function to run, function that returns what is wrong -------


def training(*, checkpointed=False, **given):
    """Return a scenario: `xpnn.fit`, of which whole epochs are kept."""

    def fit(epochs=EPOCHS, **more):
        given_now = {"progress": False, "epochs": epochs, "batch_size": 8, **given, **more}
        params, history = xpnn.fit(NET, START, X, Y, **given_now)
        return flat(params), history.cost

    @cache
    def after(epochs):
        """Return what a training has that is not interrupted."""
        return fit(epochs) if epochs else (flat(START), [])

    def scenario(folder):
        more = {}
        if checkpointed:
            more["checkpoint"] = xpnn.Checkpoint(folder / "run.safetensors", resume=True)
        after(EPOCHS)

        def wrong(found):
            if found is not None and found != after(len(found[1])):
                yield "the parameters are not those of the last whole epoch"
            if fit(**more) != after(EPOCHS):
                yield "the next training is another"

        return lambda: fit(**more), wrong

    return scenario


def saving(folder):
    """`xpnn.save` over an older file."""
    path, old, new = folder / "model.safetensors", NET.init(rng=1), NET.init(rng=2)
    xpnn.save(path, NET, new)
    new_bytes = path.read_bytes()
    xpnn.save(path, NET, old)
    old_bytes = path.read_bytes()

    def wrong(found):
        if path.read_bytes() not in (old_bytes, new_bytes):
            yield "the file is neither the old nor the new one"

    return lambda: xpnn.save(path, NET, new), wrong


def loading(folder):
    """`xpnn.load`."""
    path, params = folder / "model.safetensors", NET.init(rng=1)
    xpnn.save(path, NET, params)

    def wrong(found):
        if flat(xpnn.load(path)[1]) != flat(params):
            yield "the next load gives another model"

    return lambda: xpnn.load(path), wrong


SCENARIOS = {
    "fit": training(),
    "fit, watched": training(validation=(X, Y), callbacks=[lambda report: None]),
    "fit, with a bar": training(progress=True),
    "fit, with a checkpoint": training(checkpointed=True),
    "save": saving,
    "load": loading,
}


# ---- interrupting --------------------------------------------------------------------------------


def interrupt(scenario, line):
    """Interrupt a scenario after so many lines; return how many it ran, and what is wrong."""
    with TemporaryDirectory() as folder, redirect_stderr(io.StringIO()), np.errstate():
        run, wrong = scenario(Path(folder))
        before, found = settings(), None
        try:
            with Interrupted(line) as interrupted:
                found = run()
        except KeyboardInterrupt:
            pass
        after = settings()
        problems = [
            f"{name}: {before[name]} before, {after[name]} after"
            for name in before
            if after[name] != before[name]
        ]
        problems += [f"left: {file.name}" for file in Path(folder).glob(".*")]
        problems += wrong(found)
    return interrupted.lines, problems


def every_line(name, step):
    """Interrupt a scenario after each line; return how many there were, and what went wrong."""
    scenario, found = SCENARIOS[name], []
    interrupt(scenario, sys.maxsize)  # what is imported the first time is not counted
    lines, _ = interrupt(scenario, sys.maxsize)
    for line in range(1, lines + 2, step):
        found += [f"{name}, line {line}: {problem}" for problem in interrupt(scenario, line)[1]]
    return lines, found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("scenarios", nargs="*", default=list(SCENARIOS))
    arguments = parser.parse_args()
    gc.disable()  # or its calls are among the lines
    wrong = []
    for name in arguments.scenarios:
        lines, found = every_line(name, arguments.every)
        tried = len(range(1, lines + 2, arguments.every))
        print(f"{name}: {tried} of {lines} lines, wrong: {len(found)}", flush=True)
        wrong += found
    print("\n".join(wrong[:50]))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
