"""Damaged data files of every kind, of which only the library's errors may come.

``python tests/fuzz_readers.py [FILES [KIND ...]]`` reads so many files of each kind (2,000) and
prints what came of them; it exits with 1 if one raised another exception. pytest reads a few of
each.
"""

import gzip
import io
import sys
import tempfile
import time
import zipfile
from collections import Counter
from importlib import import_module
from pathlib import Path

import numpy as np

import xpnn
from xpnn.cli.reading import read

SECONDS = 20.0  # longer is too long; HDF5's own limit is 2 s of the processor's time
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (12, 9, 8, 3), dtype=np.uint8)
LABELS = np.arange(12) % 3
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)


def picture(form, **options):
    """Return a function that returns a picture as the bytes of a file."""

    def made():
        image = import_module("PIL.Image").fromarray(np.tile(PIXELS[0], (3, 3, 1)))
        file = io.BytesIO()
        image.save(file, form, **options)
        return file.getvalue()

    return made


def h5():
    file = io.BytesIO()
    with import_module("h5py").File(file, "w") as made:
        made.create_dataset("train_set_x", data=PIXELS, chunks=(4, 9, 8, 3), compression="gzip")
        made["train_set_y"] = LABELS
        made["list_classes"] = ["a", "bird", "c"]  # on a heap
    return file.getvalue()


def npy():
    file = io.BytesIO()
    np.save(file, PIXELS)
    return file.getvalue()


def npz(array):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("X.npy", array)
    return file.getvalue()


def idx():
    sizes = b"".join(n.to_bytes(4, "big") for n in PIXELS.shape[:3])
    return bytes([0, 0, 8, 3]) + sizes + PIXELS[..., 0].tobytes()


def table():
    return "".join(
        ["a,b,y\n", *(f'{i / 7:.3f},"te,xt{i % 4}",{i % 3}\n' for i in range(40))]
    ).encode()


def parquet():
    frame = import_module("pandas").read_csv(io.BytesIO(table()))
    file = io.BytesIO()
    frame.iloc[::2].to_parquet(file, row_group_size=8)  # with an index
    return file.getvalue()


KINDS = {
    "a.h5": h5,
    "a.jpg": picture("JPEG"),
    "a.png": picture("PNG"),
    "a.gif": picture("GIF"),
    "a.bmp": picture("BMP"),
    "a.webp": picture("WEBP"),
    "a.tiff": picture("TIFF", compression="tiff_lzw"),
    "a.ppm": picture("PPM"),
    "a.npy": npy,
    "a.npz": npy,
    "a.csv": table,
    "a.csv.gz": table,
    "a.parquet": parquet,
    "a-idx3": idx,
    "a-idx3.gz": idx,
}
PACKED = {"a.npz": npz, "a.csv.gz": gzip.compress, "a-idx3.gz": gzip.compress}
LIBRARY = {".h5": "h5py", ".csv": "pandas", ".gz": "pandas", ".parquet": "pyarrow"}


def mutated(whole, rng):
    """Return the bytes of a file with some of them changed, cut off, or put twice."""
    raw = bytearray(whole)
    for _ in range(rng.integers(1, 5)):
        at, length = int(rng.integers(len(raw) or 1)), int(rng.integers(1, 9))
        match rng.integers(6):
            case 0:
                del raw[at:]
            case 1:
                raw[at:at] = raw[at : at + 8 * length]
            case 2:
                raw[at : at + length] = rng.bytes(length)
            case 3:
                raw[at : at + length] = bytes([rng.choice(INTERESTING)]) * length
            case _:
                raw[at : at + 1] = bytes([rng.integers(256)])
    return bytes(raw)


def attempt(path):
    """Return what reading a file comes to: "read", "refused", or the exception."""
    try:
        examples = read(str(path))
        for chunk in examples.chunks():
            np.asarray(chunk)
    except xpnn.XpnnError:
        return "refused"
    except Exception as error:  # noqa: BLE001  this is what is looked for
        return repr(error)[:200]
    return "read"


def run(name, files, seed, folder):
    """Return how often each outcome came of so many damaged files, and the longest time."""
    inside, rng = KINDS[name](), np.random.default_rng(seed)
    packed = PACKED.get(name, bytes)
    path = Path(folder, name)
    outcomes, slowest = Counter(), 0.0
    for _ in range(files):
        if rng.integers(2):
            path.write_bytes(mutated(packed(inside), rng))
        else:  # damaged before it was packed, so that no sum of the archive tells
            path.write_bytes(packed(mutated(inside, rng)))
        began = time.perf_counter()
        outcome = attempt(path)
        if outcome not in {"read", "refused"}:
            Path(folder, f"found-{outcomes.total()}-{name}").write_bytes(path.read_bytes())
        outcomes[outcome] += 1
        slowest = max(slowest, time.perf_counter() - began)
        path.unlink()
    return outcomes, slowest


def main(files="2000", *names):
    bad = 0
    folder = tempfile.mkdtemp()
    for name in names or KINDS:
        outcomes, slowest = run(name, int(files), 1, folder)
        bad += outcomes.total() - outcomes["read"] - outcomes["refused"] + (slowest > SECONDS)
        print(f"{name:10} {dict(outcomes)}, slowest {slowest:.2f} s", flush=True)
    print(f"wrong {bad}; files that were are in {folder}")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
