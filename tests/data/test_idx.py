"""IDX files: the format as its authors describe it, and files that are not quite it."""

import gzip

import numpy as np
import pytest

import xpnn
from xpnn.data import read_idx
from xpnn.data.idx import labels_beside

CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx(a, code):
    """Return an array as the bytes of an IDX file."""
    sizes = b"".join(n.to_bytes(4, "big") for n in a.shape)
    return bytes([0, 0, code, a.ndim]) + sizes + a.astype(a.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("dtype", CODES)
def test_there_and_back(dtype, compress, tmp_path, rng):
    a = (100 * rng.random((3, 4, 2))).astype(dtype)
    path = tmp_path / "a"
    path.write_bytes(compress(idx(a, CODES[dtype])))
    found = read_idx(path)
    np.testing.assert_array_equal(found, a)
    assert found.dtype == a.dtype
    assert found.dtype.isnative
    found[0] = 0  # writable


LABELS = idx(np.arange(5, dtype="u1"), 8)
ZIPPED = gzip.compress(LABELS, mtime=0)  # the same bytes, and so the same test id, every time


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found nothing"),
        (b"\x89PNG....", "expected an IDX file, which begins with two zero bytes.* found 89 50"),
        (bytes([0, 0, 7, 1]), "expected an IDX file"),
        (bytes([0, 0, 8, 0]), "expected an IDX file"),
        (LABELS[:-1], "expected 5 bytes of numbers, as its header says, found 4"),
        (LABELS + b"x", "expected 5 bytes of numbers, as its header says, found 6"),
        (LABELS[:6], "expected a whole IDX file .it ends within its header"),
        (bytes([0, 0, 14, 4]) + b"\xff" * 16, "bytes of numbers, as its header says, found 0"),
        (ZIPPED[:-9], "expected a whole IDX file"),
        (ZIPPED[:12] + b"\xff" * 20, "expected an IDX file"),
    ],
)
def test_what_is_no_idx_file_is_refused(content, message, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(xpnn.ArgumentError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(xpnn.ArgumentError, match="expected a file, found none"):
        read_idx(tmp_path / "none")


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"),
    ],
)
def test_labels_are_found_by_mnists_names(images, labels, tmp_path):
    assert labels_beside(tmp_path / images) is None
    (tmp_path / labels).write_bytes(LABELS)
    assert labels_beside(tmp_path / images) == tmp_path / labels
    assert labels_beside(tmp_path / labels) is None
