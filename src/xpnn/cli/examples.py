"""`Examples`: what a reader makes of DATA, one example a row."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from .. import data
from .._optional import optional
from .._typing import Array
from ..data.files import check_fits

CHUNK_BYTES = 2**26


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
