"""The data sets: what they hold, the same again from the same seed, and images from files."""

import subprocess
import sys
import types

import numpy as np
import pytest
from sklearn import datasets
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier

import xpnn
from xpnn import data
from xpnn._optional import optional
from xpnn.data import Images, read_h5, read_image, read_image_folder
from xpnn.data.rng import legacy_rng
from xpnn.exceptions import MissingLibraryError

DRAWN = [data.flower, data.moons, data.circles, data.blobs, data.spirals]
CLASSES = {data.blobs: 3}  # 2 of the others


@pytest.fixture
def h5py():
    return pytest.importorskip("h5py")


@pytest.fixture
def pillow():
    return pytest.importorskip("PIL.Image")


# ---- every data set ---------------------------------------------------------


def test_all_is_the_truth():
    modules = {"bundled", "files", "hdf5", "idx", "images", "npy", "rng", "synthetic"}
    assert set(data.__all__) == {name for name in vars(data) if name[0] != "_"} - modules
    assert all(f"`{name}`" in data.__doc__ for name in data.__all__)


def test_import_loads_nothing_optional():
    code = "import sys, xpnn.data; print({'sklearn', 'h5py', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("make", "n_x", "m", "dtype"),
    [
        *((make, 2, 400 if make is data.flower else 300, np.float64) for make in DRAWN),
        (lambda **rows: data.parity(3, **rows), 3, 8, np.float64),
        (data.digits, 64, 1797, np.float32),
        (lambda **rows: pets().examples(**rows), 12, 3, np.float64),
    ],
)
def test_columns_and_rows(make, n_x, m, dtype):
    X, Y = make()
    assert (X.shape, X.dtype, Y.shape, Y.dtype) == ((n_x, m), dtype, (1, m), np.int64)
    X_rows, y = make(rows=True)
    assert (X_rows.shape, y.shape) == ((m, n_x), (m,))
    np.testing.assert_array_equal(X_rows, X.T)
    np.testing.assert_array_equal(y, Y[0])


@pytest.mark.parametrize("make", DRAWN)
def test_the_seed_decides(make):
    X, _ = make(rng=7)
    assert np.all(np.isfinite(X))
    np.testing.assert_array_equal(make(rng=7)[0], X)
    np.testing.assert_array_equal(make(rng=np.int32(7))[0], X)
    np.testing.assert_array_equal(make(rng=np.random.RandomState(7))[0], X)
    assert not np.array_equal(make(rng=8)[0], X)
    np.testing.assert_array_equal(make()[0], make(rng=1)[0])


@pytest.mark.parametrize("make", DRAWN)
def test_without_rng_the_global_state_decides(make):
    np.random.seed(1)  # noqa: NPY002 - as a notebook does
    X, _ = make(rng=None)
    np.testing.assert_array_equal(X, make(rng=1)[0])
    assert not np.array_equal(make(rng=None)[0], X)


@pytest.mark.parametrize("make", DRAWN)
@pytest.mark.parametrize("kind", [np.random.default_rng, np.random.RandomState])
def test_a_generator_moves_on(make, kind):
    rng = kind(3)
    first, second = make(rng=rng)[0], make(rng=rng)[0]
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(make(rng=kind(3))[0], first)


@pytest.mark.parametrize("make", DRAWN)
def test_classes_are_of_one_size(make):
    _, Y = make(m=60)
    classes = CLASSES.get(make, 2)
    np.testing.assert_array_equal(np.bincount(Y[0]), [60 // classes] * classes)


@pytest.mark.parametrize("make", [*DRAWN, legacy_rng])
@pytest.mark.parametrize("bad", [-1, 2**32, 1.0, "1", True, np.random])
def test_bad_rng(make, bad):
    with pytest.raises(xpnn.ArgumentTypeError, match="rng: expected an int of 0 to 4294967295, a"):
        make(rng=bad)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: data.flower(0), "m: expected a positive integer, found 0"),
        (lambda: data.flower(401), "m: expected a multiple of 2, so that .* found 401"),
        (lambda: data.moons(2.5), "m: expected a positive integer, found 2.5"),
        (lambda: data.moons(noise=-0.1), "noise: expected a finite number of at least 0, found -0"),
        (lambda: data.moons(noise="a"), "noise: expected a finite number .* found 'a'"),
        (lambda: data.circles(noise=np.inf), "noise: expected a finite number .* found inf"),
        (lambda: data.circles(factor=1.0), "factor: expected 0 ≤ factor < 1, found 1.0"),
        (lambda: data.blobs(classes=0), "classes: expected a positive integer, found 0"),
        (lambda: data.spirals(300, classes=7), "m: expected a multiple of 7, .* found 300"),
        (lambda: data.spirals(turns=np.nan), "turns: expected a finite number, found nan"),
        (lambda: data.parity(0), "n: expected a positive integer, found 0"),
        (lambda: data.parity(21), "n: expected 1 to 20, .* found 21"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises((xpnn.ArgumentError, xpnn.ArgumentTypeError), match=message):
        make()


# ---- each ------------------------------------------------------------------


def test_flower_is_the_published_one():
    """Columns of the data set of the course's third week, to 8 decimals."""
    X, Y = data.flower()
    published = [
        [1.20444229, 0.1587099, -0.58584641, -1.07049581, 0.73078083],
        [3.57611415, -1.4821709, -3.09125994, 3.68252461, 3.06832921],
    ]
    np.testing.assert_allclose(X[:, [0, 1, 199, 200, 399]], published, rtol=0, atol=6e-9)
    np.testing.assert_array_equal(Y, [[0] * 200 + [1] * 200])


@pytest.mark.parametrize("seed", [1, 3])
def test_scikit_learn_draws_the_same(seed):
    theirs = {
        data.moons: datasets.make_moons(300, noise=0.2, random_state=seed),
        data.circles: datasets.make_circles(300, noise=0.05, factor=0.8, random_state=seed),
        data.blobs: datasets.make_blobs(300, centers=3, random_state=seed),
    }
    for make, (X, y) in theirs.items():
        ours = make(rng=seed, rows=True)
        np.testing.assert_array_equal(ours[0], X)
        np.testing.assert_array_equal(ours[1], y)


def test_options_are_heeded():
    radii = np.linalg.norm(data.circles(noise=0.0, factor=0.3)[0], axis=0)
    np.testing.assert_allclose(np.unique(radii.round(12)), [0.3, 1.0])
    assert np.ptp(data.blobs(classes=1, noise=0.0)[0], axis=1).tolist() == [0.0, 0.0]
    assert data.blobs(classes=5)[1].max() == 4
    np.testing.assert_allclose(np.ptp(data.moons(noise=0.0)[0], axis=1), [3.0, 1.5], atol=1e-3)


@pytest.mark.parametrize("classes", [2, 3])
def test_spirals_can_be_told_apart_but_by_no_line(classes):
    X, y = data.spirals(classes=classes, rows=True)
    assert RidgeClassifier().fit(X, y).score(X, y) < 0.7
    others = data.spirals(classes=classes, rows=True, rng=2)
    assert KNeighborsClassifier(1).fit(X, y).score(*others) > 0.9


def test_spirals_turn_as_often_as_told():
    X, Y = data.spirals(400, noise=0.0, turns=2.5)
    for k in range(2):
        x, y = X[:, Y[0] == k]
        angle = np.unwrap(np.arctan2(y, x))
        r = np.arange(1, 201) / 200
        np.testing.assert_allclose(np.hypot(x, y), r)
        np.testing.assert_allclose(angle - angle[0], 2.0 * np.pi * 2.5 * (r - r[0]))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_parity_is_exclusive_or(n):
    X, Y = data.parity(n)
    np.testing.assert_array_equal(2 ** np.arange(n)[::-1] @ X, np.arange(2**n))
    np.testing.assert_array_equal(Y[0], np.bitwise_xor.reduce(X.astype(int), axis=0))


# ---- images ----------------------------------------------------------------


def pets():
    pixels = np.arange(36, dtype=np.uint8).reshape(3, 2, 2, 3)
    return Images(pixels, np.array([1, 0, 1], np.uint8), ["dog", "cat"])


def test_images():
    images = pets()
    assert repr(images) == "<Images: 3 of 2 x 2 x 3, classes dog 1, cat 2>"
    assert images.classes == ("dog", "cat")
    X, Y = images.examples()
    np.testing.assert_array_equal(X, images.images.reshape(3, -1).T / 255.0)
    np.testing.assert_array_equal(Y, [[1, 0, 1]])
    many = Images(np.zeros((1, 1, 1, 3), np.uint8), np.array([0]), [f"c{i}" for i in range(12)])
    assert repr(many).endswith("c8 0, c9 0, and 2 more>")


GOOD = {
    "train_set_x": np.arange(36, dtype=np.uint8).reshape(3, 2, 2, 3),
    "train_set_y": np.array([1, 0, 1]),
    "list_classes": np.array([b"dog", b"cat"]),
}


def write_h5(h5py, path, sets):
    with h5py.File(path, "w") as file:
        for name, values in sets.items():
            file[name] = values
    return path


@pytest.mark.slow
@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("classes", [[b"dog", b"cat"], ["dog", "cat"], [0, 1]])
def test_read_h5(h5py, tmp_path, part, classes):
    sets = {name.replace("train", part): values for name, values in GOOD.items()}
    images = read_h5(str(write_h5(h5py, tmp_path / "a.h5", sets | {"list_classes": classes})))
    np.testing.assert_array_equal(images.images, GOOD["train_set_x"])
    np.testing.assert_array_equal(images.labels, GOOD["train_set_y"])
    assert images.labels.dtype == np.int64
    assert images.classes == (("0", "1") if classes == [0, 1] else ("dog", "cat"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_set_x": None}, "expected either train_set_x or test_set_x, found list_classes, t"),
        ({"test_set_x": GOOD["train_set_x"]}, "expected either train_set_x or test_set_x, found"),
        ({"train_set_y": None}, "expected a data set train_set_y, found list_classes, train_set_x"),
        ({"list_classes": None}, "expected a data set list_classes, found train_set_x, train_set"),
        ({"train_set_x": np.zeros((3, 12), np.uint8)}, r"found uint8 of shape \(3, 12\)"),
        ({"train_set_x": np.zeros((3, 2, 2, 3))}, r"images: expected uint8 .* found float64 of"),
        ({"train_set_x": np.zeros((0, 2, 2, 3), np.uint8)}, r"found uint8 of shape \(0, 2, 2, 3\)"),
        ({"train_set_y": [0, 1]}, r"labels: expected integers of shape \(3,\), .* shape \(2,\)"),
        ({"train_set_y": [0.0, 1.0, 1.0]}, "labels: expected integers .* found float64"),
        ({"train_set_y": [0, 1, 2]}, "labels: expected 0 to 1, as there are 2 classes, found 2"),
        ({"train_set_y": [0, 1, -1]}, "labels: expected 0 to 1, .* found -1"),
        ({"list_classes": b"cat"}, r"list_classes: expected one name a class, found shape \(\)"),
    ],
)
def test_h5_of_another_layout(h5py, tmp_path, change, message):
    sets = {name: values for name, values in (GOOD | change).items() if values is not None}
    path = write_h5(h5py, tmp_path / "bad.h5", sets)
    with pytest.raises(xpnn.ArgumentError, match=rf"bad\.h5: .*{message}") as raised:
        read_h5(path)
    assert "\n" not in str(raised.value)


def test_no_h5(h5py, tmp_path):
    with pytest.raises(xpnn.ArgumentError, match=r"none\.h5: expected a file, found none"):
        read_h5(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(xpnn.ArgumentError, match=r"text\.h5: expected a whole HDF5 file.* in full"):
        read_h5(tmp_path / "text.h5")
    whole = write_h5(h5py, tmp_path / "half.h5", GOOD).read_bytes()
    (tmp_path / "half.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(xpnn.ArgumentError, match=r"half\.h5: expected a whole HDF5 file"):
        read_h5(tmp_path / "half.h5")
    with pytest.raises(xpnn.ArgumentTypeError, match=r"expected the path .* found 3"):
        read_h5(3)


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("RGB", (250, 10, 60), [250, 10, 60]),
        ("L", 77, [77] * 3),
        ("1", 1, [255] * 3),
        ("RGBA", (250, 10, 60, 255), [250, 10, 60]),
        ("RGBA", (250, 10, 60, 0), [255] * 3),  # nothing to be seen but the white behind
        ("LA", (0, 51), [204] * 3),  # 51/255 of black on white
    ],
)
def test_read_image_is_red_green_blue(pillow, tmp_path, mode, color, expected):
    pillow.new(mode, (6, 4), color).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png", 2)
    np.testing.assert_array_equal(image, np.broadcast_to(np.uint8(expected), (2, 2, 3)))
    assert image.dtype == np.uint8


def test_read_image_of_a_palette(pillow, tmp_path):
    image = pillow.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 10, 200, 30, 9, 9, 9])
    image.save(tmp_path / "opaque.png")
    image.save(tmp_path / "clear.png", transparency=1)
    assert read_image(tmp_path / "opaque.png", 1).tolist() == [[[10, 200, 30]]]
    assert read_image(tmp_path / "clear.png", 1).tolist() == [[[255, 255, 255]]]


def test_read_image_height_comes_first_and_pixels_stay(pillow, tmp_path):
    pixels = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    pillow.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(str(tmp_path / "a.png"), (2, 3)), pixels)
    assert read_image(tmp_path / "a.png", [5, 4]).shape == (5, 4, 3)


def test_read_image_stands_upright(pillow, tmp_path):
    image = pillow.fromarray(np.uint8([[[255] * 3] * 8 + [[0] * 3] * 8] * 8))  # left half white
    exif = pillow.Exif()
    exif[0x0112] = 6  # orientation: to be turned a quarter clockwise (EXIF 2.32, 4.6.4)
    image.save(tmp_path / "a.jpg", exif=exif)
    upright = read_image(tmp_path / "a.jpg", (16, 8))
    assert upright[:8].min() > 250  # left has become top
    assert upright[8:].max() < 5


def test_read_image_folder(pillow, tmp_path):
    colors = {"b/2.png": (0, 0, 255), "b/1.JPG": (255, 255, 0), "a/x.gif": (255, 0, 0)}
    for name, color in colors.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pillow.new("RGB", (10, 20), color).save(tmp_path / name)
    for name in ("a/.DS_Store", "a/.hidden.png", "b/README.txt", "notes.png"):
        (tmp_path / name).write_text("no image")
    (tmp_path / ".git").mkdir()
    images = read_image_folder(tmp_path, (4, 3))
    assert repr(images) == "<Images: 3 of 4 x 3 x 3, classes a 1, b 2>"
    np.testing.assert_array_equal(images.labels, [0, 1, 1])
    expected = np.broadcast_to(np.array([*colors.values()])[::-1, None, None], (3, 4, 3, 3))
    np.testing.assert_allclose(images.images, expected, atol=2)  # 2: the JPEG's rounding
    assert read_image_folder(str(tmp_path)).images.shape == (3, 64, 64, 3)


def test_no_image(pillow, tmp_path):
    def refused(message, read, *arguments):
        with pytest.raises((xpnn.ArgumentError, xpnn.ArgumentTypeError), match=message) as raised:
            read(*arguments)
        assert "\n" not in str(raised.value)

    refused("none: expected a folder, found none", read_image_folder, tmp_path / "none")
    refused("expected a sub-folder of images a class, found none", read_image_folder, tmp_path)
    refused("found a folder", read_image, tmp_path, 8)
    refused("found none", read_image, tmp_path / "none.png", 8)
    refused("expected the path .* found None", read_image_folder, None)
    (tmp_path / "cat").mkdir()
    refused("cat: expected image files, found none", read_image_folder, tmp_path)
    path = tmp_path / "cat" / "a.png"
    pillow.new("RGB", (50, 50)).save(path)
    path.write_bytes(path.read_bytes()[:-30])
    refused(r"a\.png: expected an image .* cannot be read", read_image_folder, tmp_path)
    pillow.fromarray(np.zeros((5, 5), np.uint16)).save(path)
    refused(r"a\.png: .*more than 8 bits a channel: mode I", read_image, path, 8)
    refused("size: expected a positive integer, found 0", read_image, path, (0, 8))
    refused("size: expected a positive integer, found '8'", read_image, path, "8")
    refused(r"size: expected \(height, width\), or one number", read_image, path, (8, 8, 3))


@pytest.mark.parametrize(
    ("library", "read", "needs"),
    [
        ("h5py", read_h5, "reading HDF5 files needs h5py"),
        ("PIL", read_image_folder, "reading images needs pillow"),
    ],
)
def test_missing_library(monkeypatch, library, read, needs):
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingLibraryError) as raised:
        read("a")
    cure = f"pip install 'xpnn[data]' (or pip install {needs.split()[-1]})"
    assert str(raised.value) == f"{needs}, which is not installed: {cure}"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            "import a_library_of_its_own_that_is_missing",
            "ModuleNotFoundError: No module named 'a_l",
        ),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_broken_library_is_not_said_to_be_missing(monkeypatch, tmp_path, code, told):
    (tmp_path / "broken_library.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    pattern = rf"nothing needs broken_library, which does not import \({told}.*start Python anew"
    with pytest.raises(MissingLibraryError, match=pattern) as raised:
        optional("broken_library", "nothing", "data")
    assert raised.value.__cause__ is not None


def test_a_half_imported_library_is_not_said_to_be_missing(monkeypatch, tmp_path):
    """As after a Ctrl-C in its import: what is in sys.modules has not all that it should have."""
    folder = tmp_path / "half_library"
    folder.mkdir()
    (folder / "__init__.py").write_text("import half_library.inner; half_library.inner.there")
    (folder / "inner.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "half_library.inner", types.ModuleType("half_library.inner"))
    with pytest.raises(MissingLibraryError, match=r"does not import \(AttributeError: .*anew"):
        optional("half_library", "nothing", "data")
