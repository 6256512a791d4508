"""DATA on the command line: a name, a file or a folder, read as examples in rows.

`read` gives whatever it is as `Examples`. What a trained model has to be given is read by
`read_for`, which knows from the model the size of its images and the column it has learnt.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import prod
from mimetypes import guess_type
from pathlib import Path
from textwrap import shorten
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from .. import data
from .._optional import optional
from .._typing import Array
from ..data.files import check_fits, existing_file, open_unpacked, refusing, rest, visible
from ..data.idx import is_idx, labels_beside
from ..data.images import image_endings, image_files, labelled_files
from ..distributed.alone import ALONE
from ..distributed.processes import Communicator
from ..exceptions import ArgumentError, MissingLibraryError, unknown_name
from .ranks import read_lines, read_row_groups

SIZE = (64, 64)
"""Of images whose size nobody says."""
MADE = {
    "digits": data.digits,
    "flower": data.flower,
    "moons": data.moons,
    "circles": data.circles,
    "blobs": data.blobs,
    "spirals": data.spirals,
}
OF_SKLEARN = {
    "iris": "species",
    "wine": "cultivar",
    "breast_cancer": "diagnosis",
    "diabetes": "progression",
}
"""Tables that come with scikit-learn, and what their target is."""
TABLES = (".csv", ".tsv", ".parquet")
SEPARATED = {".csv": "commas", ".tsv": "tabs"}
CHUNK_BYTES = 2**26
CELL_BYTES = 24
"""pandas' memory for a cell: where it begins, twice, and the number it holds."""
COLUMN_BYTES = 4096
"""pandas' memory for a column, about twice: its name and its array."""
NPY, NPZ = b"\x93NUM", b"PK\x03\x04"
"""How files of numpy.save and numpy.savez begin."""
NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
WHOLE = "whole arrays of numbers"
FORMATS = (
    f"one of {', '.join([*MADE, *OF_SKLEARN])}; a file .csv, .tsv, .parquet, .npz, .npy, .h5, IDX "
    "or an image; or a folder of images"
)


class Pictures:
    """Files of images as one array, shape (m, h, w) or (m, h, w, 3), read when it is indexed.

    Parameters
    ----------
    files : list of Path
    shape : tuple of int
        Of one image: (h, w) for grey levels, (h, w, 3) for colours.
    """

    def __init__(self, files: list[Path], shape: tuple[int, ...]) -> None:
        self.files = files
        self.shape = (len(files), *shape)
        self.dtype = np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, rows: slice) -> Array:
        height, width = self.shape[1:3]
        images = [data.read_image(path, (height, width)) for path in self.files[rows]]
        if len(self.shape) == 3:
            Image = optional("PIL.Image", "reading images", "data")
            images = [np.asarray(Image.fromarray(image).convert("L")) for image in images]
        return np.stack(images)


@dataclass(frozen=True)
class Examples:
    """Examples in rows, and what is known of them.

    Attributes
    ----------
    name : str
        Where they come from, for people.
    kind : {"table", "images", "numbers"}
    X : DataFrame; array of images, shape (m, h, w) or (m, h, w, 3), uint8; or array, (m, n_x)
    y : Series or array, shape (m,) or (m, n_y), or None
    target : str or None
        The column of the table that y was.
    files : list of Path, or None
        One an image, if it was files that were read.
    """

    name: str
    kind: str
    X: Any
    y: Any = None
    target: str | None = None
    files: list[Path] | None = None

    def __len__(self) -> int:
        return len(self.X)

    def loaded(self) -> "Examples":
        """Return the examples with their images read."""
        if not isinstance(self.X, Pictures):
            return self
        check_fits(self.name, prod(self.X.shape))
        return replace(self, X=self.X[:])

    def take(self, indices: Array) -> "Examples":
        """Return some of the examples, by their positions."""
        if self.kind != "table":  # it may be a file that is mapped
            check_fits(self.name, len(indices) * self._row_bytes)
        X = self.X.iloc[indices] if self.kind == "table" else self.X[indices]
        y = self.y.iloc[indices] if hasattr(self.y, "iloc") else self.y[indices]
        return replace(self, X=X, y=y, files=None)

    def part(self, rows: slice) -> "Examples":
        """Return consecutive examples; images in files are not read yet."""
        if isinstance(self.X, Pictures):
            X: Any = Pictures(self.X.files[rows], self.X.shape[1:])
        else:
            X = self.X[rows]
        files = None if self.files is None else self.files[rows]
        return replace(self, X=X, y=None if self.y is None else self.y[rows], files=files)

    def chunks(self) -> Iterator[Any]:
        """Return X in pieces of at most 64 MiB, so that it may be larger than memory.

        A table is one piece: an error in its last row comes before anything is made of the first.
        """
        if self.kind == "table":
            yield self.X
            return
        rows = max(1, CHUNK_BYTES // self._row_bytes)
        for start in range(0, len(self), rows):
            yield self.X[start : start + rows]

    @property
    def _row_bytes(self) -> int:
        return int(max(1, prod(self.X.shape[1:]) * self.X.dtype.itemsize))


def read(
    where: str,
    labels: str | None = None,
    target: str | None = None,
    size: tuple[int, int] | None = None,
    comm: Communicator = ALONE,
) -> Examples:
    """Read DATA, with what is to be learnt from it; of several ranks each its part.

    Parameters
    ----------
    where : str
        DATA.
    labels : str, optional
        The file that belongs to it: of two .npy or IDX files, the second.
    target : str, optional
        The column of a table to be learnt.
    size : (int, int), optional
        (height, width) of the images of a folder.
    ranks : Ranks
    """
    path = Path(where)
    kind = _kind(where, path)
    if labels is not None and kind not in {".npy", "idx"}:
        raise ArgumentError(
            f"LABELS: expected none beside {where}, which has its own, found {labels}; a second "
            "file belongs to a .npy or an IDX file."
        )
    if target is not None and kind not in {*TABLES, "sklearn"}:
        raise ArgumentError(f"--target: expected none, as {where} is no table, found {target!r}.")
    if size is not None and kind != "folder":
        raise ArgumentError(
            f"--image-size: expected none, as {where} is no folder of images, found {size}."
        )
    if kind in TABLES:
        return _of_frame(path.name, _table_of_ranks(path, kind, comm), target)
    if kind in {".npy", "idx"}:
        found = _pair(path, kind, labels)
    elif kind == "sklearn":
        found = _of_sklearn(path, target)
    elif kind == "folder":
        found = _folder(path, (*(size or SIZE), 3))
    else:
        found = READERS[kind](path)
    return found if comm.size == 1 else found.part(comm.shard(len(found)))


def with_target(examples: Examples) -> Examples:
    """Return examples that have what is to be learnt, or raise."""
    if examples.y is not None:
        return examples
    if examples.kind == "table":
        columns = _listed(examples.X.columns)
        raise ArgumentError(f"--target: expected a column of {examples.name}: {columns}.")
    raise ArgumentError(
        f"{examples.name}: expected labels beside the examples, found none; name their file as a "
        "second argument, or put the images of each class into a folder of its own."
    )


def read_for(
    shape: tuple[int, ...] | None,
    target: str | None,
    texts: set[str],
    where: str,
    labels: str | None = None,
) -> Examples:
    """Read DATA for a model whose images have a shape, or whose table had a target and texts."""
    path = Path(where)
    kind = _kind(where, path)
    if kind in TABLES:
        frame = _table(path, kind, texts)
        return _of_frame(path.name, frame, target if target in frame else None)
    if kind not in {"folder", "image"}:
        return read(where, labels)
    if shape is None:
        raise ArgumentError(f"expected data like those of the model, found images: {where}.")
    return _image(path, shape) if kind == "image" else _folder(path, shape)


def _kind(where: str, path: Path) -> str:
    """Return which reader DATA is for."""
    if path.is_dir():
        return "folder"
    if not path.exists():
        if where in MADE:
            return "made"
        if where in OF_SKLEARN:
            return "sklearn"
        if not path.suffix:
            raise unknown_name("data", where, [*MADE, *OF_SKLEARN])
        raise ArgumentError(f"{where}: expected a file or a folder, found none of that name.")
    existing_file(path)  # to open a pipe is to wait for somebody who writes
    suffix = _suffix(path)
    if suffix in {*TABLES, ".npy", ".npz", ".h5"}:
        return suffix
    if suffix == ".hdf5":
        return ".h5"
    if is_idx(path):
        return "idx"
    if _is_image(suffix):
        return "image"
    raise ArgumentError(f"{where}: expected {FORMATS}.")


def _is_image(suffix: str) -> bool:
    try:
        return suffix in image_endings()
    except MissingLibraryError:
        if (guess_type(f"x{suffix}", strict=False)[0] or "").startswith("image/"):
            raise  # with the cure, which is none for other files
        return False


def _suffix(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix.lower()


# ---- the readers ------------------------------------------------------------


def _made(path: Path) -> Examples:
    X, y = MADE[path.name](rows=True)
    return Examples(path.name, "numbers", X, y)


def _of_sklearn(path: Path, target: str | None) -> Examples:
    from sklearn import datasets

    optional("pandas", "reading tables", "data")
    bunch = getattr(datasets, f"load_{path.name}")(as_frame=True)
    y = bunch.target.rename(OF_SKLEARN[path.name])
    if "target_names" in bunch:
        y = y.map(dict(enumerate(map(str, bunch.target_names))))
    return _of_frame(path.name, bunch.data.assign(**{y.name: y}), target or y.name)


def _of_frame(name: str, frame: Any, target: str | None) -> Examples:
    if target is None:
        return Examples(name, "table", frame)
    if target not in frame:
        raise ArgumentError(
            f"--target: expected a column of {name} ({_listed(frame.columns)}), found {target!r}."
        )
    return Examples(name, "table", frame, frame[target], target)


def _table_of_ranks(path: Path, kind: str, comm: Communicator) -> Any:
    """Return a table; of several ranks each its rows, a column being text on all or on none."""
    frame = _table(path, kind, (), comm)
    if comm.size == 1:
        return frame
    infer = optional("pandas", "reading tables", "data").api.types.infer_dtype
    texts = {name for name in frame if infer(frame[name], skipna=True) == "string"}
    everyone = comm.gather(texts)
    anywhere = set.union(*everyone)
    if kind != ".parquet" and any(found != anywhere for found in everyone):
        frame = _table(path, kind, anywhere, comm)
    frame.index += comm.locate(len(frame))[0].start  # an error names the row of the whole
    return frame


def _table(path: Path, kind: str, texts: Iterable[str] = (), comm: Communicator = ALONE) -> Any:
    """Return a table as a pandas frame; what its columns ``texts`` hold is text, whatever it is."""
    pandas = optional("pandas", "reading tables", "data")
    with refusing(path, "a table that can be read"):
        if kind == ".parquet":
            frame = read_row_groups(comm, path)
        else:
            frame = _of_text(path, "\t" if kind == ".tsv" else ",", texts, comm)
    frame.columns = [str(name) for name in frame.columns]
    if kind != ".parquet" and not isinstance(frame.index, pandas.RangeIndex):
        raise ArgumentError(
            f"{path}: expected as many cells in each line as in the first, "
            f"{len(frame.columns)}, found more; give every column a name, and end no line with a "
            "separator."
        )
    if not len(frame):
        found = "a header without any" if comm.size == 1 else "none for one of the ranks"
        raise ArgumentError(f"{path}: expected rows of data, found {found}.")
    if kind != ".parquet" and all(map(_is_number, frame.columns)):
        raise ArgumentError(
            f"{path}: expected the names of the columns in its first line, found numbers: "
            f"{_listed(frame.columns[:5])}; add a line of names."
        )
    if kind != ".parquet" and len(frame.columns) == 1 and set(frame.columns[0]) & set(";\t,|"):
        raise ArgumentError(
            f"{path}: expected columns separated by {SEPARATED[kind]}, found a single column "
            f"{_listed(frame.columns)!r}; save it as .csv with commas, or as .tsv with tabs."
        )
    if not frame.columns.is_unique:
        again = frame.columns[frame.columns.duplicated()][0]
        raise ArgumentError(f"{path}: expected each column once, found {_listed([again])!r} again.")
    return frame


def _listed(names: Iterable[str]) -> str:
    return shorten(", ".join(names), 500, placeholder=" …")


def _of_text(path: Path, separator: str, texts: Iterable[str], comm: Communicator) -> Any:
    """Return a table of text as a pandas frame, which gets an open file: a name may be a URL."""
    pandas = optional("pandas", "reading tables", "data")
    with open_unpacked(path) if comm.size == 1 else read_lines(comm, path) as file:
        _check_cells(path, file, separator.encode())
        try:
            return pandas.read_csv(
                file,
                sep=separator,
                encoding="utf-8-sig",
                low_memory=False,
                skipinitialspace=True,
                dtype=dict.fromkeys(texts, str),
            )
        except pandas.errors.EmptyDataError:
            raise ArgumentError(f"{path}: expected a table, found an empty file.") from None
        except UnicodeDecodeError as error:
            raise ArgumentError(f"{path}: expected text in UTF-8 ({error}); save it so.") from error


def _check_cells(path: Path, file: Any, separator: bytes) -> None:
    """Raise, before pandas asks for memory, for more text, cells and columns than fit."""
    needed = COLUMN_BYTES * _columns(path, file, separator)
    while block := file.read(2**20):
        needed += len(block) + CELL_BYTES * (block.count(separator) + block.count(b"\n"))
        check_fits(path, needed)
    file.seek(0)


def _columns(path: Path, file: Any, separator: bytes) -> int:
    """Return how many columns the first line of a table has that is not blank."""
    columns, quotes = 1, 0
    while piece := file.readline(2**20):
        columns += piece.count(separator)
        quotes += piece.count(b'"')
        check_fits(path, COLUMN_BYTES * columns)
        if piece.strip() and piece.endswith(b"\n") and quotes % 2 == 0:
            break
    file.seek(0)
    return columns


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _npz(path: Path) -> Examples:
    _check_start(path, NPZ)
    with refusing(path, WHOLE), ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        X, y = (_of_npz(path, archive, members, name) for name in "xy")
    return _of_arrays(path.name, X, y)


def _of_npz(path: Path, archive: ZipFile, members: dict[str, ZipInfo], name: str) -> Any:
    """Return the array of a file that is called like x, X or x_train."""
    found = [key for key in members if key.lower() in {name, f"{name}_train"}]
    if len(found) > 1:
        found = [key for key in found if key.lower() == name]
    if found:
        return _member(path, archive, members[found[0]])
    if name == "y":
        return None
    raise ArgumentError(
        f"{path}: expected arrays named X and y, found {_listed(members) or 'none'}."
    )


def _member(path: Path, archive: ZipFile, info: ZipInfo) -> Array:
    """Return an array of an archive; memory is asked for when all its headers agree."""
    if info.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        raise ArgumentError(
            f"{path}: expected arrays as numpy.savez and savez_compressed write them, found "
            f"{info.filename} compressed by other means."
        )
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        shape, by_columns, dtype = NPY_HEADERS[version](file)
        if dtype.hasobject:
            raise ArgumentError(f"{path}: expected numbers, found Python objects.")
        data = rest(path, file, prod(shape) * dtype.itemsize).view(dtype)
    return data.reshape(shape[::-1]).T if by_columns else data.reshape(shape)


def _pair(path: Path, kind: str, labels: str | None) -> Examples:
    load = data.read_idx if kind == "idx" else _load
    beside = labels_beside(path) if kind == "idx" and labels is None else labels
    y = None if beside is None else load(existing_file(beside))
    return _of_arrays(path.name, load(path), y)


def _load(path: Path) -> Any:
    """Return an array of a file of NumPy: mapped, not read."""
    _check_start(path, NPY)
    with refusing(path, WHOLE):
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        if found.dtype.kind == "U":
            found.tolist()  # what are no characters would be found when they are looked at
        return found


def _check_start(path: Path, wanted: bytes) -> None:
    """Raise unless a file begins as NumPy's files of one array, or of several, do."""
    with path.open("rb") as file:
        start = file.read(4)
    if start == wanted:
        return
    if start == NPY:
        raise ArgumentError(f"{path}: expected several arrays, X and y, found one; call it .npy.")
    if start == NPZ:
        raise ArgumentError(f"{path}: expected one array, found several; call it .npz.")
    raise ArgumentError(
        f"{path}: expected arrays that numpy.save or numpy.savez wrote, found another format."
    )


def _of_arrays(name: str, X: Any, y: Any) -> Examples:
    """Return arrays as examples: images if they are bytes of more than two dimensions."""
    y = None if y is None else np.asarray(y)
    if X.ndim == 2 and y is not None and y.shape == (1, X.shape[1]) and len(X) != 1:
        X, y = X.T, y[0]  # one example a column, as in the notes
    if y is not None and y.ndim == 2 and 1 in y.shape:
        y = y.ravel()
    if X.dtype.kind not in "buif":
        raise ArgumentError(f"{name}: expected real numbers, found {X.dtype}.")
    images = X.dtype == np.uint8 and (X.ndim == 3 or (X.ndim == 4 and X.shape[3] == 3))
    if not images and X.ndim != 2:
        raise ArgumentError(
            f"{name}: expected one example a row, shape (m, n), or images of bytes (uint8), shape "
            f"(m, h, w) or (m, h, w, 3), found {X.dtype} of shape {X.shape}."
        )
    if y is not None and y.ndim not in {1, 2}:
        raise ArgumentError(
            f"{name}: expected one label an example, shape (m,), or several, shape (m, n), found "
            f"labels of shape {y.shape}."
        )
    if y is not None and len(y) != len(X):
        raise ArgumentError(
            f"{name}: expected as many labels as examples, found {len(X)} examples (shape "
            f"{X.shape}) and {len(y)} labels."
        )
    if len(X) == 0:
        raise ArgumentError(f"{name}: expected examples, found none.")
    return Examples(name, "images" if images else "numbers", X, y)


def _h5(path: Path) -> Examples:
    found = data.read_h5(path)
    classes = np.array(found.classes, object)
    return Examples(path.name, "images", found.images, classes[found.labels])


def _folder(path: Path, shape: tuple[int, ...]) -> Examples:
    """Read a folder of images; of one without sub-folders, the images have no labels."""
    if not any(found.is_dir() for found in visible(path)):
        files = image_files(path)
        return Examples(path.name, "images", Pictures(files, shape), None, None, files)
    files, labels, classes = labelled_files(path)
    pictures = (found for found in visible(path) if found.suffix.lower() in image_endings())
    beside = [found.name for found in pictures if found.is_file()]
    if beside:
        raise ArgumentError(
            f"{path}: expected images, or a folder of images for each class, found both: "
            f"{beside[0]} beside the folder {classes[0]}; move the one or the other."
        )
    y = np.asarray(classes)[labels]
    return Examples(path.name, "images", Pictures(files, shape), y, None, files)


def _image(path: Path, shape: tuple[int, ...] = (*SIZE, 3)) -> Examples:
    return Examples(path.name, "images", Pictures([path], shape), None, None, [path])


READERS = {
    "made": _made,
    ".npz": _npz,
    ".h5": _h5,
    "image": _image,
}
