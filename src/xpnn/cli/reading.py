"""DATA on the command line: a name, a file or a folder, read as examples in rows.

`read` gives whatever it is as `Examples`. What a trained model has to be given is read by
`read_for`, which knows from the model the size of its images and the column it has learnt.
"""

from collections.abc import Callable
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import numpy as np

from .. import data
from .._optional import optional
from .._terminal import listed
from ..data.files import existing_file, visible
from ..data.idx import is_idx, labels_beside
from ..data.images import image_endings, image_files, labelled_files
from ..data.npy import read_npy, read_npz
from ..distributed.processes import ALONE, Communicator
from ..exceptions import ArgumentError, MissingLibraryError, unknown_name
from .examples import Examples, Pictures
from .tables import TABLES, read_table

PAIRS, IMAGES = (".npy", "idx"), ("folder", "image")
"""Kinds of DATA: a file of examples that may have one of labels; and what `Pictures` reads."""
SIZE = (64, 64)
"""Of images whose size nobody says."""
MADE = ("digits", "flower", "moons", "circles", "blobs", "spirals")
"""The data sets of `xpnn.data` that have a name here."""
OF_SKLEARN = {
    "iris": "species",
    "wine": "cultivar",
    "breast_cancer": "diagnosis",
    "diabetes": "progression",
}
"""Tables that come with scikit-learn, and what their target is."""
FORMATS = (
    f"one of {', '.join([*MADE, *OF_SKLEARN])}; a file .csv, .tsv, .parquet, .npz, .npy, .h5, IDX "
    "or an image; or a folder of images"
)


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
    comm : Communicator
    """
    path = Path(where)
    kind = _kind(where, path)
    if labels is not None and kind not in PAIRS:
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
        return _of_frame(path.name, read_table(path, kind, comm), target)
    if kind in PAIRS:
        found = _pair(path, kind, labels)
    elif kind == "sklearn":
        found = _of_sklearn(path, target)
    elif kind in IMAGES:
        found = _images(path, (*(size or SIZE), 3))
    else:
        found = READERS[kind](path)
    return found if comm.size == 1 else found.part(comm.shard(len(found)))


def with_target(examples: Examples) -> Examples:
    """Return examples that have what is to be learnt, or raise."""
    if examples.y is not None:
        return examples
    if examples.kind == "table":
        columns = listed(examples.X.columns, most=100)
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
        frame = read_table(path, kind, text_columns=texts)
        return _of_frame(path.name, frame, target if target in frame else None)
    if kind not in IMAGES:
        return read(where, labels)
    if shape is None:
        raise ArgumentError(f"expected data like those of the model, found images: {where}.")
    return _images(path, shape)


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
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
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


# ---- the readers ------------------------------------------------------------


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
        columns = listed(frame.columns, most=100)
        raise ArgumentError(f"--target: expected a column of {name} ({columns}), found {target!r}.")
    return Examples(name, "table", frame, frame[target], target)


def _pair(path: Path, kind: str, labels: str | None) -> Examples:
    load = data.read_idx if kind == "idx" else read_npy
    beside = labels_beside(path) if kind == "idx" and labels is None else labels
    y = None if beside is None else load(existing_file(beside))
    return _of_arrays(path.name, load(path), y)


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


def _images(path: Path, shape: tuple[int, ...]) -> Examples:
    """Read an image, or a folder of them; without sub-folders, the images have no labels."""
    if path.is_file() or not any(found.is_dir() for found in visible(path)):
        files = [path] if path.is_file() else image_files(path)
        return Examples(path.name, "images", Pictures(files, shape), files=files)
    files, labels, classes = labelled_files(path)
    pictures = (found for found in visible(path) if found.suffix.lower() in image_endings())
    beside = [found.name for found in pictures if found.is_file()]
    if beside:
        raise ArgumentError(
            f"{path}: expected images, or a folder of images for each class, found both: "
            f"{beside[0]} beside the folder {classes[0]}; move the one or the other."
        )
    y = np.asarray(classes)[labels]
    return Examples(path.name, "images", Pictures(files, shape), y, files=files)


READERS: dict[str, Callable[[Path], Examples]] = {
    "made": lambda path: Examples(path.name, "numbers", *getattr(data, path.name)(rows=True)),
    ".npz": lambda path: _of_arrays(path.name, *read_npz(path)),
    ".h5": _h5,
}
