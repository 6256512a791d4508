"""Images with labels, read from a folder.

`read_image_folder` reads a folder that has a sub-folder of pictures for each class, `read_image`
one picture.
`Images.examples` turns images into what a network takes.
"""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from .._optional import optional
from .._terminal import escaped, listed
from .._typing import Array
from ..exceptions import ArgumentError, ArgumentTypeError
from ..validation.numbers import positive_int
from ._layout import arranged
from .files import MOST_UNPACKED, existing_file, path_of, translate_errors, visible

Size: TypeAlias = int | tuple[int, int]
"""Height and width of an image, or one number for a square."""
PICTURES = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
"""Pillow's names of the formats that are read: open ones, of pixels, in which pictures are shared.

All are decoded in this process, by decoders that are tried on damaged files all the time. Of
Pillow's others, PostScript and metafiles run a program, and a file is taken for TGA without a sign.
"""
UNREADABLE = (
    "an image of 8 bits a channel, found one that cannot be read",
    " Save it again as PNG or JPEG.",
)
FREE_PIXELS = 2**24
"""So many pixels a picture may have however few bytes its file has."""


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """Images of one size, the class of each, and the names of the classes.

    Parameters
    ----------
    images : NumPy array, shape (m, h, w, c), uint8
    labels : NumPy array of integers, shape (m,)
        Positions in ``classes``; kept as int64.
    classes : sequence of str
        Kept as a tuple.

    Raises
    ------
    ArgumentError
        For another shape or dtype, no image, and a label that is no position in ``classes``.

    Examples
    --------
    >>> import numpy as np
    >>> from xpnn.data import Images
    >>> cats = Images(np.zeros((3, 64, 64, 3), np.uint8), np.array([0, 1, 0]), ("non-cat", "cat"))
    >>> cats
    <Images: 3 of 64 x 64 x 3, classes non-cat 2, cat 1>
    """

    images: Array
    labels: Array
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        images, labels = np.asarray(self.images), np.asarray(self.labels)
        classes = tuple(self.classes)
        if images.ndim != 4 or images.size == 0 or images.dtype != np.uint8:
            raise ArgumentError(
                f"images: expected uint8 of shape (m, h, w, c), found {_described(images)}."
            )
        if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
            raise ArgumentError(
                f"labels: expected integers of shape ({len(images)},), one an image, "
                f"found {_described(labels)}."
            )
        wrong = labels[(labels < 0) | (labels >= len(classes))]
        if wrong.size:
            raise ArgumentError(
                f"labels: expected 0 to {len(classes) - 1}, as there are {len(classes)} classes, "
                f"found {wrong[0]}."
            )
        set_field = object.__setattr__  # frozen
        set_field(self, "images", images)
        set_field(self, "labels", labels.astype(np.int64))
        set_field(self, "classes", classes)

    def __repr__(self) -> str:
        counts = np.bincount(self.labels, minlength=len(self.classes))
        shown = [f"{escaped(name)} {n}" for name, n in zip(self.classes, counts, strict=True)]
        size = " x ".join(map(str, self.images.shape[1:]))
        return f"<Images: {len(self.images)} of {size}, classes {listed(shown)}>"

    def examples(self, *, rows: bool = False) -> tuple[Array, Array]:
        """Return each image as a vector of numbers from 0 to 1, and its label.

        The numbers are the bytes divided by 255, in C order: image row by image row, the
        channels of a pixel side by side.

        Parameters
        ----------
        rows : bool
            Examples as rows: X (m, h·w·c) and y (m,).

        Returns
        -------
        X : NumPy array, shape (h·w·c, m), float64
        Y : NumPy array, shape (1, m), int64

        Examples
        --------
        >>> import numpy as np
        >>> from xpnn.data import Images
        >>> white = Images(np.full((1, 1, 2, 3), 255, np.uint8), np.array([0]), ("white",))
        >>> X, Y = white.examples()
        >>> X.T, Y
        (array([[1., 1., 1., 1., 1., 1.]]), array([[0]]))
        """
        return arranged(self.images.reshape(len(self.images), -1) / 255.0, self.labels.copy(), rows)


def read_image(path: str | PathLike[str], size: Size) -> Array:
    """Read a picture as an array of red, green and blue, resized.

    It is turned the way its EXIF orientation says; grey levels and palettes become red,
    green and blue; what is transparent becomes white. Resizing is bicubic, smoothed where it
    shrinks, and fills ``size`` whatever the picture's own proportions.

    Parameters
    ----------
    path : str or path
        A JPEG, PNG, GIF, BMP, WebP, TIFF or PPM, whatever its name; of an animation, the first
        picture.
    size : int or (int, int)
        (height, width) of the result, or one number for a square.

    Returns
    -------
    NumPy array, shape (h, w, 3), uint8

    Raises
    ------
    MissingLibraryError
        If Pillow is not installed.
    ArgumentError, ArgumentTypeError
        If there is no such file, it is no whole picture of 8 bits a channel, it has more pixels
        than ``PIL.Image.MAX_IMAGE_PIXELS`` or than its file can hold, or ``size`` is none.

    Notes
    -----
    To predict it, make it a column: ``xpnn.course.basics.image2vector(image) / 255``.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from PIL import Image
    >>> from xpnn.data import read_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("L", (40, 30), color=128).save(f"{folder}/grey.png")
    ...     image = read_image(f"{folder}/grey.png", size=(2, 3))
    >>> image.shape, image[0, 0]
    ((2, 3, 3), array([128, 128, 128], dtype=uint8))
    """
    Image = optional("PIL.Image", "reading images", "data")
    exif_transpose = optional("PIL.ImageOps", "reading images", "data").exif_transpose
    height, width = _check_size(size)
    path = existing_file(path)
    with translate_errors(path, *UNREADABLE), Image.open(path, formats=PICTURES) as image:
        _check_pixels(path, image.size, Image.MAX_IMAGE_PIXELS)
        upright = _rgb(exif_transpose(image), Image)
        return np.array(upright.resize((width, height), Image.Resampling.BICUBIC))


def read_image_folder(folder: str | PathLike[str], size: Size = (64, 64)) -> Images:
    """Read the pictures of a folder that has a sub-folder for each class.

    Classes are in the order of their names, and so are the pictures of a class. Hidden files
    and folders, and files whose extension is none of an image, are passed over.

    Parameters
    ----------
    folder : str or path
        Such as ``pets`` with ``pets/cat/1.jpg``, ``pets/cat/2.png``, ``pets/dog/1.jpg``.
    size : int or (int, int)
        (height, width) of every image, or one number for a square. See `read_image`.

    Returns
    -------
    Images

    Raises
    ------
    MissingLibraryError
        If Pillow is not installed.
    ArgumentError, ArgumentTypeError
        If there is no such folder, no sub-folder or one without a picture, and for whatever
        `read_image` refuses.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from xpnn.data import read_image_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
    ...         Path(folder, name).parent.mkdir(exist_ok=True)
    ...         Image.new("RGB", (20, 10)).save(Path(folder, name))
    ...     pets = read_image_folder(folder, size=8)
    >>> pets
    <Images: 3 of 8 x 8 x 3, classes cat 2, dog 1>
    """
    optional("PIL.Image", "reading images", "data")
    folder = path_of(folder)
    if not folder.is_dir():
        raise ArgumentError(f"{folder}: expected a folder, found none.")
    files, labels, classes = labelled_files(folder)
    return Images(np.stack([read_image(path, size) for path in files]), labels, classes)


def labelled_files(folder: Path) -> tuple[list[Path], Array, tuple[str, ...]]:
    """Return the pictures of a folder's sub-folders, the label of each, and the classes."""
    classes = [path for path in visible(folder) if path.is_dir()]
    if not classes:
        raise ArgumentError(f"{folder}: expected a sub-folder of images a class, found none.")
    by_class = [image_files(directory) for directory in classes]
    labels = np.repeat(np.arange(len(classes)), [len(found) for found in by_class])
    files = [path for found in by_class for path in found]
    return files, labels, tuple(directory.name for directory in classes)


def image_files(folder: Path) -> list[Path]:
    """Return the pictures of a folder, by name, or raise if there is none."""
    endings = image_endings()
    found = [path for path in visible(folder) if path.suffix.lower() in endings]
    if not found:
        raise ArgumentError(f"{folder}: expected image files, found none.")
    return found


def image_endings() -> set[str]:
    """Return how the names of pictures that can be read end."""
    Image = optional("PIL.Image", "reading images", "data")
    return {end for end, form in Image.registered_extensions().items() if form in PICTURES}


def _described(array: Array) -> str:
    return f"{array.dtype} of shape {array.shape}"


# ---- pictures ---------------------------------------------------------------


def _check_size(size: Any) -> tuple[int, int]:
    pair = size if isinstance(size, tuple | list) else (size, size)
    if len(pair) != 2:
        raise ArgumentTypeError(
            f"size: expected (height, width), or one number for a square, found {size!r}."
        )
    height, width = (positive_int("size", n) for n in pair)
    return height, width


def _check_pixels(path: Path, size: tuple[int, int], most: int | None) -> None:
    """Raise, before any is decoded, for more pixels than the file can hold or Pillow takes."""
    pixels, stored = size[0] * size[1], path.stat().st_size
    most = pixels if most is None else most
    if pixels > min(most, max(FREE_PIXELS, MOST_UNPACKED * stored)):
        raise ArgumentError(
            f"{path}: expected at most {most:,} pixels, and {MOST_UNPACKED:,} for each byte of a "
            f"file, found {size[0]} x {size[1]} in {stored:,} bytes; save it smaller."
        )


def _rgb(image: Any, Image: Any) -> Any:
    """Return a Pillow image as red, green and blue, on white where it is transparent."""
    if image.mode[0] in "IF":  # Pillow would clip 16 bits to 8
        raise ValueError(f"more than 8 bits a channel: mode {image.mode}")
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return white.convert("RGB")
