"""Model files and checkpoints with damage of every kind: the reader may raise the library's errors.

``python tests/fuzz_files.py`` reads 100,000 files and prints what came of them; it exits with 1 if
anything but an `xpnn.XpnnError` was raised. ``--files 5000 --seed 1`` for fewer and others.

Bits, bytes and spans are changed blindly; headers are also edited as JSON with right lengths, and
numbers with right digests, so that the damage is met deep inside.
"""

import argparse
import json
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import xpnn

X = np.random.default_rng(0).standard_normal((3, 12))
LABELS = np.asarray([[0, 1, 2] * 4])
NET = xpnn.Network([3, 4, 3], hidden="tanh")
SHORT = {"hidden_layer_sizes": (4,), "n_iter_no_change": 1, "tol": 1e9, "random_state": 0}
VALUES = (
    *(None, True, False, 0, 1, -1, 2, 2**31, 2**63, 10**30, -(2**63), 0.5, 1e308, ""),
    *("a", "float32", "F64", "relu", "softmax", "os.system", "\x00", "é" * 50),
    *([], [0], [None], [[]], [2**62, 2**62], [-1], {}, {"float": "nan"}, {"float": "inf"}),
    *({"float": []}, {"a": {}}, [1.5, "x"]),
)
"""What takes the place of a value."""


# ---- whole files -----------------------------------------------------------------------------


def save_network(path):
    xpnn.save(path, NET, NET.init(rng=0))


def save_classifier(path):
    names = np.asarray(["red", "green", "blue"])[LABELS[0]]
    xpnn.MLPClassifier(**SHORT).fit(X.T, names).save(path)


def save_regressor(path):
    xpnn.MLPRegressor(**SHORT).fit(X.T, X[:2].T).save(path)


def save_logistic(path):
    xpnn.LogisticRegression(max_iter=20, tol=1e9).fit(X.T, LABELS[0] > 0).save(path)


def save_images(path):
    from xpnn.estimators.rows import ImageRows
    from xpnn.estimators.saving import save_pipeline

    model = xpnn.LogisticRegression(max_iter=20, tol=1e9)
    images = np.arange(48, dtype=np.uint8).reshape(12, 2, 2)
    rows = ImageRows((2, 2))
    model.fit(rows.transform(images), LABELS[0])
    save_pipeline(rows, model, path)


def save_checkpoint(path):
    path.unlink(missing_ok=True)
    go_on(path)


def save_checkpoint_of_estimator(path):
    path.unlink(missing_ok=True)
    go_on_with_estimator(path)


def go_on(path):
    """Go on from a checkpoint that has all its epochs."""
    checkpoint = xpnn.Checkpoint(path, resume=True)
    xpnn.fit(NET, NET.init(rng=0), X, LABELS, epochs=3, batch_size=5, checkpoint=checkpoint)


def go_on_with_estimator(path):
    """Go on from a checkpoint of NumPy's older random numbers, one epoch further."""
    checkpoint = xpnn.Checkpoint(path, resume=True)
    epochs = 3 if path.exists() else 2
    model = xpnn.MLPClassifier((4,), random_state=0, max_iter=epochs, checkpoint=checkpoint)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X.T, LABELS[0])


def open_model(path):
    """Load a model and use it."""
    model = xpnn.load(path)
    if isinstance(model, tuple):
        net, params = model
        net.predict(params, np.ones((net.sizes[0], 2)))
    elif hasattr(model, "steps"):
        model.predict(np.ones((2, *model[0].shape), dtype=np.uint8))
    else:
        model.predict(np.ones((2, model.n_features_in_)))


KINDS = {
    save_network: open_model,
    save_classifier: open_model,
    save_regressor: open_model,
    save_logistic: open_model,
    save_images: open_model,
    save_checkpoint: go_on,
    save_checkpoint_of_estimator: go_on_with_estimator,
}
"""What writes a file -> what reads it."""


# ---- damage, each a function (rng, raw, other) -> bytes --------------------------------------


def flip_bits(rng, raw, other):
    a = bytearray(raw)
    for at in rng.integers(0, len(a), rng.integers(1, 9)):
        a[at] ^= 1 << int(rng.integers(8))
    return bytes(a)


def span(rng, raw):
    start, stop = sorted(rng.integers(0, len(raw) + 1, 2).tolist())
    return start, min(stop, start + 200) if rng.integers(2) else stop


def overwrite(rng, raw, other):
    start, stop = span(rng, raw)
    return raw[:start] + rng.bytes(stop - start) + raw[stop:]


def cut_out(rng, raw, other):
    start, stop = span(rng, raw)
    return raw[:start] + raw[stop:]


def truncate(rng, raw, other):
    return raw[: rng.integers(0, len(raw))]


def repeat(rng, raw, other):
    start, stop = span(rng, raw)
    return raw[:stop] + raw[start:]


def splice(rng, raw, other):
    return raw[: rng.integers(0, len(raw))] + other[rng.integers(0, len(other)) :]


def another_length(rng, raw, other):
    length = int(rng.choice([0, 1, 7, 2**31, 2**63, 10**8, int(rng.integers(2**40))]))
    return length.to_bytes(8, "little") + raw[8:]


def taken_apart(raw):
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    return header, json.loads(header["__metadata__"]["xpnn"]), raw[8 + length :]


def put_together(header, record, data):
    header["__metadata__"]["xpnn"] = json.dumps(record)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def edit(rng, tree):
    """Replace, remove, rename or double one value somewhere in a tree of dicts and lists."""
    places = []

    def visit(node):
        keys = list(node) if isinstance(node, dict) else range(len(node))
        for key in keys:
            places.append((node, key))
            if isinstance(node[key], dict | list):
                visit(node[key])

    visit(tree)
    node, key = places[rng.integers(len(places))]
    how = rng.integers(5)
    if how == 0:
        del node[key]
    elif how == 1 and isinstance(node, dict):
        node[f"{key}x"] = node.pop(key)
    elif how == 1:
        node.append(node[key])
    elif how == 2 and isinstance(node[key], int | float):
        node[key] += int(rng.integers(-2, 3))
    else:
        node[key] = VALUES[rng.integers(len(VALUES))]


def edit_header(rng, raw, other):
    header, record, data = taken_apart(raw)
    edit(rng, header)
    try:
        return put_together(header, record, data)
    except (KeyError, TypeError):  # no place for the record is left
        text = json.dumps(header).encode()
        return len(text).to_bytes(8, "little") + text + data


def edit_record(rng, raw, other):
    header, record, data = taken_apart(raw)
    for _ in range(rng.integers(1, 3)):
        edit(rng, record)
    return put_together(header, record, data)


def edit_numbers(rng, raw, other):
    """Change numbers, and the digest with them."""
    header, record, data = taken_apart(raw)
    name = str(rng.choice(sorted(set(header) - {"__metadata__"})))
    start, stop = header[name]["data_offsets"]
    a = bytearray(data)
    for at in rng.integers(start, max(stop, start + 1), rng.integers(1, 9)):
        if at < len(a):
            a[at] = int(rng.choice([0, 255, 127, 240, int(rng.integers(256))]))
    record["sha256"][name] = digest(header[name], a[start:stop])
    return put_together(header, record, bytes(a))


def digest(entry, data):
    """Return the digest of an array, as `xpnn.files.container` makes it."""
    from xpnn.files import container

    names = {short: name for name, short in container.DTYPES.items()}
    dtype = np.dtype(names[entry["dtype"]])
    return container._digest(np.frombuffer(bytes(data), dtype).reshape(entry["shape"]))


DAMAGE = (
    flip_bits,
    overwrite,
    cut_out,
    truncate,
    repeat,
    splice,
    another_length,
    edit_header,
    edit_record,
    edit_numbers,
)


# ---- the run ---------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What came of a run."""

    files: int
    by_type: Counter
    """Name of the exception, or "loaded" -> how often."""
    wrong: list
    """(kind, damage, number, exception) of what is no error of the library."""
    slowest: float
    """Seconds that one file took."""


def run(files, seed, folder):
    """Damage and open so many files."""
    path = Path(folder) / "fuzzed.safetensors"
    whole = []
    for save in KINDS:
        save(path)
        whole.append(path.read_bytes())
    by_type, wrong, slowest = Counter(), [], 0.0
    for number in range(files):
        rng = np.random.default_rng([seed, number])  # each file by itself, to be made again
        kind = number % len(KINDS)
        save, opening = list(KINDS.items())[kind]
        damage = DAMAGE[rng.integers(len(DAMAGE))]
        path.write_bytes(damage(rng, whole[kind], whole[rng.integers(len(whole))]))
        began = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                opening(path)
            by_type["loaded"] += 1
        except xpnn.XpnnError as error:
            by_type[type(error).__name__] += 1
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            by_type[type(error).__name__] += 1
            wrong.append((save.__name__, damage.__name__, number, repr(error)[:200]))
        slowest = max(slowest, time.perf_counter() - began)
    return Outcome(files, by_type, wrong, slowest)


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        outcome = run(arguments.files, arguments.seed, folder)
    print(f"{outcome.files} files, the slowest {outcome.slowest:.2f} s")
    for name, count in outcome.by_type.most_common():
        print(f"{count:8} {name}")
    for each in outcome.wrong[:50]:
        print("WRONG", *each)
    return bool(outcome.wrong)


if __name__ == "__main__":
    sys.exit(main())
