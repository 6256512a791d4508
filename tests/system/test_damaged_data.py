"""Files of strangers: damaged, or made to read other files, to run programs, or to fill the memory.

Whatever is wrong with one is an error of the library that names the file.
"""

import gzip
import io
import os
import signal
import subprocess
import sys
import threading
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
import pytest

import xpnn
from xpnn.cli.reading import read, read_for
from xpnn.data import _hdf5_child as child
from xpnn.data import hdf5, images, read_h5, read_idx, read_image
from xpnn.data.files import check_fits, existing_file, translate_errors
from xpnn.validation import memory

unix = pytest.mark.skipif(os.name == "nt", reason="needs limits and signals of Unix")
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 9, 8, 3), dtype=np.uint8)
LABELS = np.arange(12) % 3


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def little_memory(monkeypatch):
    monkeypatch.setattr(memory, "host_memory", lambda: 10**6)


def refused(name, message, reading=read):
    """Read a file that must be refused in words of the library, which name the file."""
    with pytest.raises(xpnn.ArgumentError, match=message) as raised:
        reading(name)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


# ---- what all readers share --------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [KeyError, NotImplementedError, RecursionError, SyntaxError, TypeError, UserWarning]
)
def test_every_error_of_a_library_becomes_ours(kind):
    def reading(name):
        with translate_errors(Path(name), "a file", " Copy it."):
            raise kind("first " + 1000 * "x ")

    refused("a.b", r"a\.b: expected a file \('?first x .*\[\.\.\.\]\)\. Copy it\.$", reading)


def test_too_little_memory_is_an_error_of_ours():
    def reading(name):
        with translate_errors(Path(name), "a file"):
            raise MemoryError

    refused("a.b", r"a\.b: expected data that fit into the memory at hand", reading)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, xpnn.BackendError])
def test_others_stay(kind):
    with pytest.raises(kind), translate_errors(Path("a"), "a file"):
        raise kind("as it was")


def test_declared_sizes_are_compared_with_the_memory(little_memory):
    check_fits("a", 10**6)
    refused(
        "a",
        r"memory at hand \(0\.0 GB\).*for which 37\.0 GB are needed",
        lambda n: check_fits(n, 37 * 10**9),
    )
    refused("a", "GB are needed", lambda name: check_fits(name, 2**8000))


@unix
def test_a_limit_of_the_process_counts_as_memory():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (7 * 2**30,) * 2)\n"
        "from xpnn.validation import memory; print(memory.host_memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 7 * 2**30


@unix
@pytest.mark.parametrize("name", ["x.csv", "x.npy", "x.h5", "x.png", "x.gz", "x"])
def test_nobody_waits_for_a_pipe(name):
    os.mkfifo(name)
    refused(name, "expected a file, found a pipe or a device")
    refused(name, "found a pipe or a device", existing_file)


# ---- HDF5 --------------------------------------------------------------------------------------


@pytest.fixture
def h5py():
    return pytest.importorskip("h5py")


def write_h5(h5py, change, name="a.h5"):
    """Write a file of the layout that `change` has changed."""
    with h5py.File(name, "w") as file:
        file["train_set_x"], file["train_set_y"] = PIXELS, LABELS
        file["list_classes"] = [b"a", b"b", b"c"]
        change(file)
    return name


def replaced(name, **given):
    """Return a change that makes a data set anew."""

    def change(file):
        del file[name]
        file.create_dataset(name, **given)

    return change


def moved(name, link):
    """Return a change that puts a link where a data set was."""

    def change(file):
        file.move(name, "elsewhere")
        file[name] = link(file)

    return change


def unsound(h5py, name, message):
    """Check a data set as the other process does, without starting one."""
    with h5py.File("a.h5") as file, pytest.raises(child.RefusedError, match=message):
        child.class_names(child.checked(file, name))


NAMES = ("train_set_x", "train_set_y", "list_classes")
LINKS = {
    "soft": lambda h5py: lambda file: h5py.SoftLink("/elsewhere"),
    "external": lambda h5py: lambda file: h5py.ExternalLink("other.h5", "/train_set_x"),
    "group": lambda h5py: lambda file: file.create_group("group"),
    "type": lambda h5py: lambda file: np.dtype("u1"),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("link", LINKS)
def test_h5_follows_no_link(h5py, name, link):
    write_h5(h5py, lambda file: None, "other.h5")
    write_h5(h5py, moved(name, LINKS[link](h5py)))
    message = "found a link" if link in {"soft", "external"} else f"expected a data set {name}"
    unsound(h5py, name, message)
    if link == "soft":
        refused("a.h5", message, read_h5)


@pytest.mark.parametrize("name", NAMES)
def test_h5_reads_no_other_file(h5py, name):
    Path("secret").write_bytes(b"PASSWORD=hunter2".ljust(96))
    write_h5(h5py, lambda file: None, "other.h5")
    write_h5(h5py, replaced(name, shape=(3,), dtype="S16", external=[("secret", 0, 48)]))
    unsound(h5py, name, "names other files")

    def virtual(file):
        layout = h5py.VirtualLayout(PIXELS.shape, np.uint8)
        layout[:] = h5py.VirtualSource("other.h5", "train_set_x", PIXELS.shape)
        del file[name]
        file.create_virtual_dataset(name, layout)

    write_h5(h5py, virtual)
    unsound(h5py, name, "names other files")


@unix
def test_the_reader_of_h5_cannot_open_another_file(h5py):
    """Even if a link were taken for none."""
    write_h5(h5py, lambda file: None, "other.h5")
    write_h5(h5py, moved("train_set_x", LINKS["external"](h5py)))
    code = """
import os, sys
from xpnn.data import _hdf5_child as child
def followed(file, name):
    return file[name]
child.checked = followed
os._exit(child.main())
"""
    command = [sys.executable, "-c", code, hdf5._command(Path("a.h5"))[-1]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert "can't open file" in done.stderr


def test_h5_loads_no_plug_in(h5py):
    def filtered(file):
        del file["train_set_x"]
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((3,))
        properties.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)  # Zstandard
        space = h5py.h5s.create_simple((3,))
        h5py.h5d.create(file.id, b"train_set_x", h5py.h5t.STD_U8LE, space, properties)

    write_h5(h5py, filtered)
    refused("a.h5", "expected data compressed by gzip, .*found filter 32015", read_h5)


@pytest.mark.parametrize(
    "given",
    [
        {"compression": "gzip", "shuffle": True, "fletcher32": True},
        {"compression": "lzf", "chunks": (5, 2, 8, 1)},
        {"maxshape": (None, 9, 8, 3), "chunks": (50, 9, 8, 3)},
    ],
)
def test_h5_is_read_whole_however_it_is_packed(h5py, given):
    write_h5(h5py, replaced("train_set_x", data=PIXELS, **given))
    np.testing.assert_array_equal(read_h5("a.h5").images, PIXELS)


@pytest.mark.slow
def test_a_large_h5_comes_in_pieces(h5py):
    """70 MB, of which the other process holds 64 MiB at most."""
    x = np.tile(np.arange(200, dtype=np.uint8), 350_000).reshape(700, 100, 1000, 1)
    y = np.arange(700) % 2

    def large(file):
        del file["train_set_x"], file["train_set_y"]
        file["train_set_x"], file["train_set_y"] = x, y

    write_h5(h5py, large)
    np.testing.assert_array_equal(read_h5("a.h5").images, x)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("train_set_x", {"shape": (10**7, 64, 64, 3), "dtype": "u1"}, "declared and 0 stored"),
        (
            "train_set_x",
            {"shape": (2, 9), "dtype": "u1", "chunks": (2, 2**31), "maxshape": (2, None)},
            "declared and 0 stored",
        ),
        ("train_set_y", {"shape": (10**9,), "dtype": "i8", "fillvalue": 1}, "and 0 stored"),
        ("list_classes", {"shape": (3,), "dtype": "S100000000"}, "declared and 0 stored"),
        ("list_classes", {"data": [b"a", b"b" * 256]}, "at most 255 letters, found one of 256"),
        ("list_classes", {"data": ["a" * 10**6] * 3}, "255 letters, found one of 1,000,000"),
        ("train_set_x", {"data": np.zeros(3, "u1,u2")}, "expected numbers or names, found"),
        ("train_set_x", {"dtype": "u1", "shape": None}, "expected numbers or names"),
        ("train_set_x", {"data": [b"a", b"b"]}, "expected numbers or names"),
    ],
)  # fmt: skip
def test_h5_that_declares_what_is_not_there(h5py, name, given, message):
    if given.get("shape", 0) is None:
        given = {"data": h5py.Empty("u1")}
    write_h5(h5py, replaced(name, **given))
    unsound(h5py, name, message)


def test_h5_larger_than_memory(h5py, little_memory):
    write_h5(h5py, replaced("train_set_x", data=np.ones((12, 400, 400, 1), np.uint8)))
    refused("a.h5", "memory at hand", read_h5)


def test_names_that_are_no_text(h5py):
    def named(file):
        del file["train_set_x"]
        file[b"\xff\xfe"] = 1

    write_h5(h5py, named)
    refused("a.h5", r"found list_classes, train_set_y, b'\\xff\\xfe'", read_h5)


def test_many_letters_of_classes_do_not_fill_the_memory(h5py):
    write_h5(h5py, replaced("list_classes", data=[b"a", b"b", b"c" * 255]))
    assert read("a.h5").y.tolist()[:3] == ["a", "b", "c" * 255]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os; os.abort()", "HDF5 library crashed" if os.name != "nt" else "HDF5 library"),
        ("import sys; sys.exit('no h5py')", r"expected a whole HDF5 file.*\(no h5py\)"),
        ("print('what is this?')", "the HDF5 library ended with status 0"),
        ("print(5); print('what is this?')", "the HDF5 library ended with status 0"),
    ],
)
def test_a_child_that_dies(h5py, code, message, monkeypatch):
    monkeypatch.setattr(hdf5, "_command", lambda path: [sys.executable, "-c", code])
    write_h5(h5py, lambda file: None)
    refused("a.h5", message, read_h5)


def test_a_machine_that_starts_no_process(h5py, monkeypatch):
    write_h5(h5py, lambda file: None)
    none = str(Path("none").absolute())
    monkeypatch.setattr("multiprocessing.spawn.get_executable", lambda: none)
    refused("a.h5", "No such file|cannot find", read_h5)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    refused("a.h5", "cannot start Python", read_h5)


@pytest.mark.slow
@unix
@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("child.SECONDS = 0\nchild.limit(0, 0)\nwhile True: pass", -signal.SIGXCPU, ""),
        ("child.limit(0, child.memory())\nbytearray(2**31)", 1, "MemoryError"),
    ],
)
def test_the_limits_of_the_child(code, status, said):
    if said and not child.memory():
        pytest.skip("only Linux tells how much memory a process has")
    code = f"from xpnn.data import _hdf5_child as child\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == status
    assert said in done.stderr


@unix
def test_ctrl_c_ends_the_child(h5py, monkeypatch):
    code = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
    monkeypatch.setattr(hdf5, "_command", lambda path: [sys.executable, "-c", code])
    write_h5(h5py, lambda file: None)

    def interrupt():
        while not (Path("pid").exists() and Path("pid").read_text("ascii")):
            threading.Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        read_h5("a.h5")
    thread.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path("pid").read_text("ascii")), 0)


def test_the_child_imports_what_the_parent_does(h5py, monkeypatch):
    """Whatever the environment says: a folder on sys.path alone is enough, a variable is none."""
    monkeypatch.setenv("PYTHONPATH", str(Path("poisoned").absolute()))
    Path("poisoned").mkdir()
    Path("poisoned/h5py.py").write_text("raise SystemExit('poisoned')", encoding="ascii")
    write_h5(h5py, lambda file: None)
    assert len(read_h5("a.h5").images) == 12


# ---- pictures ----------------------------------------------------------------------------------


@pytest.fixture
def pillow():
    return pytest.importorskip("PIL.Image")


@unix
@pytest.mark.parametrize("name", ["cat.jpg", "cat.eps", "cat.png"])
def test_a_picture_runs_no_program(pillow, name, monkeypatch):
    Path("bin").mkdir()
    Path("bin/gs").write_text("#!/bin/sh\ntouch ran\n", encoding="ascii")
    Path("bin/gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{Path('bin').absolute()}:{os.environ['PATH']}")
    Path(name).write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n%%EOF\n"
    )
    refused(name, "cannot identify", lambda name: read_image(name, 8))
    assert not Path("ran").exists()


def test_only_formats_that_are_read_count_as_pictures(pillow):
    endings = images.image_endings()
    assert endings >= {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm"}
    assert not endings & {".eps", ".ps", ".pdf", ".wmf", ".emf", ".psd", ".dds", ".blp", ".tga"}
    for name in endings - {".apng", ".pfm", ".jfif", ".jpe"}:
        pillow.new("1" if name == ".pbm" else "RGB", (9, 9)).save(f"a{name}")
        assert read_image(f"a{name}", 4).shape == (4, 4, 3)


def test_several_pictures_in_a_jpeg(pillow):
    picture = pillow.new("RGB", (9, 9), "red")
    picture.save("a.jpg", "MPO", save_all=True, append_images=[picture.copy()])
    assert read_image("a.jpg", 1)[0, 0, 0] > 250


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_more_pixels_than_a_file_can_hold(pillow, form):
    options = {"compression": "group4"} if form == "TIFF" else {}
    pillow.new("1", (9000, 8000)).save("a.png", form, **options)
    assert Path("a.png").stat().st_size < 60_000
    refused(
        "a.png", r"found 9000 x 8000 in [\d,]+ bytes; save it smaller", lambda n: read_image(n, 8)
    )


@pytest.mark.parametrize("pixels", [99, 40])  # Pillow warns above, and raises above twice as many
def test_more_pixels_than_pillow_takes(pillow, pixels, monkeypatch):
    pillow.new("L", (10, 10)).save("a.png")
    monkeypatch.setattr(pillow, "MAX_IMAGE_PIXELS", 100)
    assert read_image("a.png", 4).shape == (4, 4, 3)
    monkeypatch.setattr(pillow, "MAX_IMAGE_PIXELS", pixels)
    refused("a.png", "decompression bomb", lambda name: read_image(name, 8))
    monkeypatch.setattr("warnings.warn", lambda *given, **named: None)
    words = "decompression bomb" if pixels == 40 else "expected at most 99 pixels"
    refused("a.png", words, lambda name: read_image(name, 8))


@pytest.mark.parametrize("kind", [NotImplementedError, KeyError, MemoryError, UserWarning])
def test_whatever_a_decoder_raises(pillow, kind, monkeypatch):
    def raising(*given, **named):
        raise kind("of the decoder")

    pillow.new("RGB", (5, 5)).save("a.png")
    monkeypatch.setattr(pillow.Image, "convert", raising)
    refused("a.png", "expected", lambda name: read_image(name, 8))
    refused("a.png", "expected", lambda name: read(name).loaded())


def test_images_larger_than_memory(pillow, little_memory):
    Path("c").mkdir()
    for i in range(8):
        pillow.new("RGB", (5, 5)).save(f"c/{i}.png")
    refused("c", "memory at hand", lambda name: read(name, size=(300, 300)).loaded())


# ---- arrays ------------------------------------------------------------------------------------


def write_npz(name, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(name, "w", compression) as archive:
        for member, content in members.items():
            archive.writestr(member, content)


def npy(a, **given):
    """Return what numpy.save writes; of a header that says what is given, if anything is."""
    file = io.BytesIO()
    header = np.lib.format.header_data_from_array_1_0(a) | given
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + a.tobytes(order="A")


def test_npz_is_what_numpy_says(rng):
    X, y = np.asfortranarray(rng.standard_normal((5, 3))), np.array(["a", "bb", "a", "c", "c"])
    for save in (np.savez, np.savez_compressed):
        save("a.npz", X=X, y=y)
        found = read("a.npz")
        np.testing.assert_array_equal(found.X, X)
        np.testing.assert_array_equal(found.y, y)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy(np.eye(3), shape=(10**6, 10**6)), r"expected 8000000000000 bytes.*found 72"),
        (npy(np.eye(3), shape=(2, 3)), "expected 48 bytes of numbers, .* found 49"),
        (npy(np.eye(3), shape=(-1, -9)), "expected"),
        (npy(np.eye(3), descr="|O"), "found Python objects"),
        (npy(np.eye(3)).replace(b"{'descr'", b"(('descr'"), "expected whole arrays of numbers"),
        (b"text", "expected whole arrays of numbers"),
    ],
)
def test_arrays_that_are_not_what_they_say(content, message):
    write_npz("a.npz", {"X.npy": content})
    refused("a.npz", message)
    Path("a.npy").write_bytes(content)
    if message != "expected 48 bytes of numbers, .* found 49":  # what is left over is no harm
        refused("a.npy", "expected")
        np.save("X.npy", np.eye(3))
        refused("a.npy", "expected", lambda name: read("X.npy", name))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_npz_of_other_compressions(compression):
    """Both make 100,000 bytes of one."""
    write_npz("a.npz", {"X.npy": npy(np.zeros((1000, 1000)))}, compression)
    refused("a.npz", "found X.npy compressed by other means")


def test_arrays_in_the_wrong_file():
    np.save("a.npy", np.eye(3))
    np.savez("b.npz", X=np.eye(3))
    Path("a.npy").rename("a.npz")
    Path("b.npz").rename("b.npy")
    refused("a.npz", "expected several arrays, X and y, found one; call it .npy")
    refused("b.npy", "expected one array, found several; call it .npz")


def test_arrays_larger_than_memory(little_memory):
    X, y = np.zeros((1000, 300)), np.arange(1000) % 2
    np.savez_compressed("a.npz", X=X, y=y)
    refused("a.npz", "memory at hand")
    Path("a-idx3").write_bytes(b"\0\0\x08\x03" + (200).to_bytes(4, "big") * 3 + bytes(200**3))
    refused("a-idx3", "memory at hand", read_idx)
    np.save("X.npy", X)
    np.save("y.npy", y)
    mapped = read("X.npy", "y.npy")  # which predict reads piece by piece
    refused("X.npy", "memory at hand", lambda name: mapped.take(np.arange(1000)))
    assert len(mapped.take(np.arange(10))) == 10


@pytest.mark.slow
@unix
def test_an_idx_that_declares_more_than_it_holds_takes_little_memory():
    """10 GB declared in 100 bytes; memory is asked for as the file can fill it."""
    pytest.importorskip("pandas")  # the child imports it
    header = b"\0\0\x08\x01" + (2**32 - 1).to_bytes(4, "big")
    Path("a").write_bytes(header + bytes(100))
    Path("a.gz").write_bytes(gzip.compress(header + bytes(100)))
    in_little_memory("read_idx", "a", "found 100")
    in_little_memory("read_idx", "a.gz", "found 100")


def in_little_memory(reader, name, message):
    """Read a file that must be refused, in a process that may have 256 MB more than now."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("only Linux tells how much memory a process has")
    code = f"""
import resource, sys
from pathlib import Path
import xpnn, pandas
from xpnn.validation import memory
from xpnn.data import read_h5, read_idx
from xpnn.cli.reading import read
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**28,) * 2)
memory.host_memory = lambda: 2**60  # so that nothing but the limit is in the way
try:
    {reader}({name!r})
except xpnn.ArgumentError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert message in done.stdout


# ---- tables ------------------------------------------------------------------------------------


@pytest.fixture
def pandas():
    return pytest.importorskip("pandas")


@pytest.fixture
def parquet():
    return pytest.importorskip("pyarrow.parquet")


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("blank", [b"", b" \n\n"])
def test_a_table_of_more_columns_than_memory_holds(pandas, little_memory, blank, ending):
    """Each takes pandas 2 KB, whatever it holds."""
    Path("a.csv").write_bytes(blank + b",".join([b'"\n"'] * 300) + ending)
    refused("a.csv", "memory at hand")
    Path("b.csv").write_bytes(
        b",".join(b"c%d" % i for i in range(200)) + b"\n" + b"1," * 199 + b"1"
    )
    assert read("b.csv").X.shape == (1, 200)


def test_a_table_larger_than_memory(pandas, little_memory):
    Path("a.csv").write_text("a,b\n" + "1,2\n" * 30_000, encoding="ascii")
    refused("a.csv", "memory at hand")  # 24 bytes a cell
    Path("a.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b" " * 10**7))
    refused("a.csv.gz", "memory at hand")
    Path("b.csv").write_text("a,b\n" + "1,2\n" * 1000, encoding="ascii")
    assert len(read("b.csv")) == 1000


@pytest.mark.slow
@unix
def test_a_table_that_memory_does_not_suffice_for(pandas):
    Path("a.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 10_000_000, 1))
    in_little_memory("read", "a.csv.gz", "memory")


@pytest.mark.parametrize("column", [[0.0] * 10**6, ["a text of some letters"] * 10**6])
def test_a_parquet_larger_than_memory(pandas, parquet, column, little_memory):
    pandas.DataFrame({"a": column}).to_parquet("a.parquet")
    assert Path("a.parquet").stat().st_size < 20_000
    refused("a.parquet", "memory at hand")


def test_a_text_of_a_parquet_longer_than_memory(pandas, parquet, little_memory):
    """No header tells its length: it is found as the rows are unpacked."""
    pandas.DataFrame({"a": ["x" * 1000] * 20_000}).to_parquet("a.parquet")
    assert Path("a.parquet").stat().st_size < 20_000
    refused("a.parquet", "memory at hand")


@pytest.mark.parametrize("way", ["text", "list", "struct", "map", "plain", "delta"])
def test_a_parquet_is_measured_before_it_is_unpacked(pandas, parquet, way, monkeypatch):
    """20,000 rows name one text of 30,000 letters: 600 MB from about a kilobyte."""
    pa = pytest.importorskip("pyarrow")
    monkeypatch.setattr(memory, "host_memory", lambda: 300 * 2**20)
    rows = 5_000 if way in {"plain", "delta"} else 20_000
    entries = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), ["x" * 30_000])
    keys, all_rows = pa.array(np.arange(rows)), np.int32([0, rows])
    columns = {
        "text": lambda: entries,
        "list": lambda: pa.ListArray.from_arrays(all_rows, entries),
        "struct": lambda: pa.StructArray.from_arrays([entries], ["b"]),
        "map": lambda: pa.MapArray.from_arrays(all_rows, keys, entries),
        "plain": lambda: entries.cast(pa.string()),
        "delta": lambda: entries.cast(pa.string()),
    }
    options = {"use_dictionary": way not in {"plain", "delta"}}
    if way == "delta":
        options["column_encoding"] = {"a": "DELTA_BYTE_ARRAY"}
    table = pa.table({"a": columns[way]()})
    parquet.write_table(table, "a.parquet", store_schema=False, compression="zstd", **options)
    assert Path("a.parquet").stat().st_size < 200_000
    peak = arrow_peak(lambda: refused("a.parquet", "memory at hand"))
    assert peak < 250 * 2**20


def arrow_peak(call):
    """Return the most bytes that Arrow has held at once during a call."""
    pa = pytest.importorskip("pyarrow")
    before = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)
    pa.set_memory_pool(pool)
    try:
        call()
    finally:
        pa.set_memory_pool(before)
    return pool.max_memory()


def test_a_parquet_is_what_arrow_reads(pandas, parquet):
    pa = pytest.importorskip("pyarrow")
    texts = ["a", None, "bb"]
    columns = {
        "text": pa.array(texts),
        "large": pa.array(texts, pa.large_string()),
        "bytes": pa.array([b"\xff", None, b"z"]),
        "class": pa.array(texts).dictionary_encode(),
        "number": pa.array([1, 2, 2]).dictionary_encode(),
        "list": pa.array([["a", None], None, []]),
        "classes": pa.array([["a"], None, []], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
        "pair": pa.array([["a", "b"], ["b", "a"], [None, "c"]], pa.list_(pa.string(), 2)),
        "struct": pa.array([{"a.b": "c"}, None, {"a.b": None}]),
        "map": pa.array([[("a", "b")], None, []], pa.map_(pa.string(), pa.string())),
        "a.b": pa.array(texts),
        "none": pa.nulls(3),
    }
    for encoding in (None, "PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"):
        options = {"use_dictionary": False, "column_encoding": {"text": encoding}}
        parquet.write_table(pa.table(columns), "a.parquet", **(options if encoding else {}))
        expected = parquet.read_table("a.parquet").to_pandas()
        pandas.testing.assert_frame_equal(read("a.parquet").X, expected)


def test_a_parquet_that_pandas_does_not_understand(pandas, parquet):
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": [1, 2]})
    parquet.write_table(table.replace_schema_metadata({"pandas": '{"columns": 5}'}), "a.parquet")
    refused("a.parquet", "expected a table that can be read")
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    parquet.write_table(twice, "a.parquet")
    refused("a.parquet", "expected")
    broken = pa.StringArray.from_buffers(
        1, pa.py_buffer(np.int32([0, 2])), pa.py_buffer(b"\xff\xfe")
    )
    parquet.write_table(pa.table({"a": broken}), "a.parquet")
    refused("a.parquet", "expected a table that can be read .*UTF8")


def test_a_class_whose_name_is_a_book(pandas):
    """As an array of texts it would take 400 GB."""
    Path("a.csv").write_text(
        "y,a\n" + f"{'x' * 10**6},1\n" * 2 + "b,2\n" * 100_000, encoding="ascii"
    )
    assert xpnn.cli.main(["train", "a.csv", "--target", "y", "--epochs", "1"]) == 2


def test_a_name_is_no_address(pandas, parquet, monkeypatch):
    def opened(*given, **named):
        raise AssertionError("the network")

    monkeypatch.setattr(urllib.request, "urlopen", opened)
    for scheme in ("http", "ftp", "s3"):
        refused(f"{scheme}://127.0.0.1/a.csv", "expected a file or a folder, found none")
    if os.name != "nt":  # no name of a folder has a colon there
        Path("http:/a=1").mkdir(parents=True)
        Path("http:/a=1/x.csv").write_text("b\n1\n", encoding="ascii")
        pandas.DataFrame({"b": [1]}).to_parquet("t.parquet")
        Path("t.parquet").rename("http:/a=1/x.parquet")
        for name in ("http:/a=1/x.csv", "http:/a=1/x.parquet"):
            assert list(read(name).X.columns) == ["b"]


@pytest.mark.parametrize("ending", ["bz2", "xz", "zip", "zst", "tar"])
def test_other_compressions_of_a_table_are_refused(ending):
    Path(f"a.csv.{ending}").write_bytes(b"whatever it is")
    refused(f"a.csv.{ending}", "expected one of")


def test_gzip_is_known_by_its_bytes(pandas):
    Path("a.csv").write_bytes(gzip.compress(b"a,y\n1,u\n"))
    Path("b.csv.gz").write_bytes(b"a,y\n1,u\n")
    for name in ("a.csv", "b.csv.gz"):
        assert read(name).X.equals(read_for(None, None, set(), name).X)
        assert len(read(name)) == 1
    Path("c.csv.gz").write_bytes(gzip.compress(b"a,y\n1,u\n")[:-4])
    refused("c.csv.gz", "expected a table that can be read")
