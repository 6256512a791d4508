"""The readers of files from strangers, each as a function of bytes.

A `Target` reads bytes as a file, knows whole files to begin with, and how to put damage where
lengths, checksums and digests would hide it: it takes a file apart, changes a part, and puts it
together rightly. The change is made by whoever asks: by atheris, or by `blind` without it.
"""

import gzip
import io
import json
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.exceptions import ConvergenceWarning

import xpnn
from xpnn.cli.reading import read
from xpnn.data import read_h5, read_idx, read_image
from xpnn.estimators.persistence import save_pipeline
from xpnn.files import container
from xpnn.preprocessing import ImageEncoder

Change = Callable[[bytes], bytes]

X = np.random.default_rng(0).standard_normal((3, 12))
LABELS = np.asarray([[0, 1, 2] * 4])
NET = xpnn.Network([3, 4, 3], hidden="tanh")
SHORT = {"hidden_layer_sizes": (4,), "n_iter_no_change": 1, "tol": 1e9, "random_state": 0}
TABLES = (".csv", ".tsv", ".parquet", ".npy", ".npz", ".csv.gz")
"""How the table is called, by the first byte of the input."""
VALUES = (
    *(None, True, False, 0, 1, -1, 2, 2**31, 2**63, 10**30, -(2**63), 0.5, 1e308, ""),
    *("a", "float32", "F64", "relu", "softmax", "os.system", "\x00", "é" * 50),
    *([], [0], [None], [[]], [2**62, 2**62], [-1], {}, {"float": "nan"}, {"float": "inf"}),
    *({"float": []}, {"a": {}}, [1.5, "x"]),
)
"""What takes the place of a value."""


class Target(NamedTuple):
    """A reader under attack."""

    read: Callable[[bytes], Any]
    """Reads bytes as a file; any `xpnn.XpnnError` is right, any other exception a find."""
    seeds: Callable[[], list[bytes]]
    """Writes whole files."""
    deep: Callable[[random.Random, bytes, Change], bytes]
    """Damages a file inside; raises anything if it cannot take it apart."""


@contextmanager
def as_file(name: str, data: bytes = b"") -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        yield path


def written(write: Callable[[Path], Any]) -> bytes:
    """Return what a function writes to the path that it is given."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "file.safetensors")
        write(path)
        return path.read_bytes()


def test_one_input(target: Target, data: bytes) -> bool:
    """Read bytes, and return whether they were a whole file; what passes is a find."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning is a right answer too
        try:
            target.read(data)
        except xpnn.XpnnError:
            return False
    return True


def mutate(target: Target, rng: random.Random, data: bytes, change: Change) -> bytes:
    """Damage a file, every other time inside."""
    if rng.random() < 0.5:
        return change(data)
    try:
        return target.deep(rng, data, change)
    except Exception:  # noqa: BLE001 - too damaged to be taken apart
        return change(data)


def blind(rng: random.Random, data: bytes) -> bytes:
    """Flip bits, or overwrite, cut out or double a span."""
    a = bytearray(data or b"\0")
    start, stop = sorted(rng.randrange(len(a) + 1) for _ in range(2))
    how = rng.randrange(5)
    if how == 0:
        a[start:stop] = rng.randbytes(min(stop - start, 200))
    elif how == 1:
        del a[start:stop]
    elif how == 2:
        a[stop:stop] = a[start:stop]
    else:
        for _ in range(rng.randint(1, 8)):
            a[rng.randrange(len(a))] ^= 1 << rng.randrange(8)
    return bytes(a)


# ---- model files -----------------------------------------------------------------------------


def models() -> list[bytes]:
    names = np.asarray(["red", "green", "blue"])[LABELS[0]]
    logistic = xpnn.LogisticRegression(max_iter=20, tol=1e9)
    rows = ImageEncoder((2, 2))
    images = rows.transform(np.arange(48, dtype=np.uint8).reshape(12, 2, 2))
    return [
        written(lambda path: xpnn.save(path, NET, NET.init(rng=0))),
        written(xpnn.MLPClassifier(**SHORT).fit(X.T, names).save),
        written(xpnn.MLPRegressor(**SHORT).fit(X.T, X[:2].T).save),
        written(logistic.fit(X.T, LABELS[0] > 0).save),
        written(lambda path: save_pipeline(rows, logistic.fit(images, LABELS[0]), path)),
    ]


def read_model(data: bytes) -> None:
    """Load a model and use it."""
    with as_file("model.safetensors", data) as path:
        model = xpnn.load(path)
    if isinstance(model, tuple):
        net, params = model
        net.predict(params, np.ones((net.sizes[0], 2)))
    elif hasattr(model, "steps"):
        model.predict(np.ones((2, *model[0].shape), dtype=np.uint8))
    else:
        model.predict(np.ones((2, model.n_features_in_)))


def deep_in_safetensors(rng: random.Random, data: bytes, change: Change) -> bytes:
    """Damage the header, the record or the arrays; lengths and digests are right."""
    how = rng.randrange(3)
    if how == 0:
        return in_header(rng, data, change)
    with as_file("file.safetensors", data) as path:
        kind, content, tensors = container.read(path, tuple(container.CURES))
        if how == 1:
            edit(rng, content)
        else:
            in_arrays(rng, tensors, change)
        container.write(path, kind, content, tensors)
        return path.read_bytes()


def in_header(rng: random.Random, data: bytes, change: Change) -> bytes:
    length = int.from_bytes(data[:8], "little")
    text, arrays = data[8 : 8 + length], data[8 + length :]
    if rng.random() < 0.5:
        header = json.loads(text)
        record = json.loads(header["__metadata__"]["xpnn"])
        edit(rng, rng.choice([header, record]))
        if isinstance(header.get("__metadata__"), dict):
            header["__metadata__"]["xpnn"] = json.dumps(record)
        text = json.dumps(header).encode()
    else:
        text = change(text)
    return len(text).to_bytes(8, "little") + text + arrays


def in_arrays(rng: random.Random, tensors: dict[str, Any], change: Change) -> None:
    """Change the numbers of an array, its shape, its type or its name."""
    name = rng.choice(sorted(tensors))
    a = tensors[name]
    how = rng.randrange(4)
    if how == 0:
        tensors[name] = rng.choice([a.reshape(-1), a[:-1], a[None], a.T])
    elif how == 1:
        tensors[name] = np.resize(a, a.shape).astype(rng.choice(["int64", "uint8", "float32"]))
    elif how == 2:
        tensors[f"{name}{rng.randrange(3)}"] = tensors.pop(name)
    else:
        raw = change(a.tobytes())[: a.nbytes].ljust(a.nbytes, b"\0")
        tensors[name] = np.frombuffer(raw, a.dtype).reshape(a.shape)


def edit(rng: random.Random, tree: Any) -> None:
    """Replace, remove, rename or double one value somewhere in a tree of dicts and lists."""
    places: list[tuple[Any, Any]] = []

    def visit(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                visit(node[key])

    visit(tree)
    node, key = rng.choice(places)
    how = rng.randrange(5)
    if how == 0:
        del node[key]
    elif how == 1 and isinstance(node, dict):
        node[f"{key}x"] = node.pop(key)
    elif how == 1:
        node.append(node[key])
    elif how == 2 and isinstance(node[key], int | float):
        node[key] += rng.randint(-2, 2)
    else:
        node[key] = rng.choice(VALUES)


# ---- checkpoints -----------------------------------------------------------------------------


def go_on(path: Path) -> None:
    """Go on from a checkpoint that has all its epochs."""
    checkpoint = xpnn.Checkpoint(path, resume=True)
    xpnn.fit(NET, NET.init(rng=0), X, LABELS, epochs=3, batch_size=5, checkpoint=checkpoint)


def go_on_with_estimator(path: Path) -> None:
    """Go on from a checkpoint of NumPy's older random numbers, one epoch further."""
    checkpoint = xpnn.Checkpoint(path, resume=True)
    epochs = 3 if path.exists() else 2
    model = xpnn.MLPClassifier((4,), random_state=0, max_iter=epochs, checkpoint=checkpoint)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X.T, LABELS[0])


def checkpoints() -> list[bytes]:
    return [written(go_on), written(go_on_with_estimator)]


def read_checkpoint(data: bytes) -> None:
    with as_file("run.safetensors", data) as path:
        (go_on_with_estimator if b"RandomState" in data else go_on)(path)


# ---- tables ----------------------------------------------------------------------------------


def tables() -> list[bytes]:
    frame = pd.DataFrame(
        {"size": [1.5, None, 3.0], "name": ["a", 'b "c"', "é"], "kind": pd.Categorical([*"xyx"])}
    )
    text = frame.to_csv(index=False).encode()
    parquet, groups = io.BytesIO(), io.BytesIO()
    frame.to_parquet(parquet, compression=None)
    pd.concat([frame] * 4).iloc[::2].to_parquet(groups, row_group_size=2)  # with an index
    array, arrays = io.BytesIO(), io.BytesIO()
    np.save(array, np.eye(3))
    np.savez(arrays, X=np.eye(3), y=np.arange(3))
    raw = [
        text,
        text.replace(b",", b"\t"),
        *(file.getvalue() for file in (parquet, array, arrays)),
        gzip.compress(text, mtime=0),
    ]
    files = [bytes([number]) + each for number, each in enumerate(raw)]
    return [*files, bytes([TABLES.index(".parquet")]) + groups.getvalue()]


def read_table(data: bytes) -> None:
    suffix = TABLES[data[0] % len(TABLES)] if data else ".csv"
    with as_file(f"table{suffix}", data[1:]) as path:
        for chunk in read(str(path)).chunks():
            np.asarray(chunk)


def deep_in_table(rng: random.Random, data: bytes, change: Change) -> bytes:
    raw = data[1:]
    if raw[:2] == b"PK":
        return data[:1] + in_zip(rng, raw, change)
    if raw[:2] == b"\x1f\x8b":
        return data[:1] + in_gzip(rng, raw, change)
    return data[:1] + change(raw)


def in_zip(rng: random.Random, raw: bytes, change: Change) -> bytes:
    """Change a member of an archive, whose checksum is right."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(sorted(members))
    members[name] = change(members[name])
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as z:
        for name, member in members.items():
            z.writestr(zipfile.ZipInfo(name), member)
    return target.getvalue()


def in_gzip(rng: random.Random, raw: bytes, change: Change) -> bytes:
    return gzip.compress(change(gzip.decompress(raw)), mtime=0)


# ---- HDF5 ------------------------------------------------------------------------------------


def h5_files() -> list[bytes]:
    file = io.BytesIO()
    pixels = np.arange(864, dtype=np.uint8).reshape(12, 4, 6, 3)
    with import_module("h5py").File(file, "w") as made:
        made.create_dataset("train_set_x", data=pixels, chunks=(4, 4, 6, 3), compression="gzip")
        made["train_set_y"] = LABELS[0]
        made["list_classes"] = ["a", "bird", "c"]  # on a heap
    return [file.getvalue()]


def read_h5_file(data: bytes) -> None:
    with as_file("a.h5", data) as path:
        read_h5(path)


# ---- IDX and pictures ------------------------------------------------------------------------


def idx_files() -> list[bytes]:
    labels = bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1])
    images = bytes([0, 0, 13, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]) + bytes(range(16))
    return [labels, images, gzip.compress(images, mtime=0)]


def read_idx_file(data: bytes) -> None:
    with as_file("train-images-idx3-ubyte", data) as path:
        read_idx(path)


def pictures() -> list[bytes]:
    rgb = Image.fromarray(np.arange(60, dtype=np.uint8).reshape(4, 5, 3))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    palette = rgb.convert("P")
    palette.info["transparency"] = 0
    return [
        *(picture(rgb, form) for form in ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")),
        picture(rgb, "JPEG", exif=exif, progressive=True),
        picture(rgb, "TIFF", compression="tiff_lzw"),
        picture(rgb.convert("LA"), "PNG"),
        picture(palette, "PNG"),
        picture(rgb.convert("1"), "TIFF", compression="group4"),
    ]


def picture(image: Any, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def read_picture(data: bytes) -> None:
    with as_file("picture.png", data) as path:
        read_image(path, 8)


def deep_in_picture(rng: random.Random, data: bytes, change: Change) -> bytes:
    """Change a chunk of a PNG, or any other picture, which has no checksums, as it is."""
    if not data.startswith(b"\x89PNG"):
        return change(data)
    chunks = list(chunks_of(data))
    number = rng.randrange(len(chunks))
    name, body = chunks[number]
    if name == b"IDAT" and rng.random() < 0.5:
        body = zlib.compress(change(zlib.decompress(body)))
    chunks[number] = (name, change(body))
    return data[:8] + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def chunks_of(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def nothing_inside(_rng: random.Random, data: bytes, change: Change) -> bytes:
    return change(data)


def deep_in_idx(rng: random.Random, data: bytes, change: Change) -> bytes:
    return in_gzip(rng, data, change) if data[:2] == b"\x1f\x8b" else change(data)


TARGETS = {
    "model": Target(read_model, models, deep_in_safetensors),
    "checkpoint": Target(read_checkpoint, checkpoints, deep_in_safetensors),
    "table": Target(read_table, tables, deep_in_table),
    "idx": Target(read_idx_file, idx_files, deep_in_idx),
    "picture": Target(read_picture, pictures, deep_in_picture),
    "h5": Target(read_h5_file, h5_files, nothing_inside),
}
