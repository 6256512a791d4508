"""Images with labels, read from an HDF5 file.

`read_h5` reads the layout of the cat photographs of the notebooks.
"""

import json
import os
import sys
from os import PathLike
from pathlib import Path
from signal import Signals
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

import numpy as np

from .._optional import optional
from .._typing import Array
from ..exceptions import ArgumentError
from ._hdf5_child import REFUSED
from .files import check_fits, existing_file, translate_errors
from .images import Images

ENDED = {"SIGXCPU": "took longer than it may", "SIGSEGV": "crashed", "SIGABRT": "crashed"}
"""What became of the other process, by the signal that ended it."""
VARIABLES = {
    "HDF5_PLUGIN_PRELOAD": "::",
    "MPI4PY_RC_INITIALIZE": "0",
    "OPENBLAS_NUM_THREADS": "1",
}
"""The variables of the other process: no plug-ins of HDF5, no MPI, no threads."""


def read_h5(path: str | PathLike[str]) -> Images:
    """Read images and labels from an HDF5 file, as the cat photographs are kept.

    The file holds the data sets ``train_set_x``, shape (m, h, w, c), uint8,
    ``train_set_y``, shape (m,), integers, and ``list_classes``, shape (n,): the name of each
    class. In a file of test images the first two are ``test_set_x`` and ``test_set_y``.
    This is the layout of ``train_catvnoncat.h5`` in "Neural Networks and Deep Learning"
    (A. Ng, deeplearning.ai, 2017).

    The file may come from a stranger. Only data in the file itself are read, no link, and
    nothing that names another file. The HDF5 library, which some damaged files make crash or
    run for ever, reads in a process of its own, with limits of time and memory.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    Images

    Raises
    ------
    MissingLibraryError
        If h5py is not installed.
    ArgumentError
        If there is no such file, it is none of that layout, it declares more data than it
        stores or than fit into memory, or the HDF5 library crashes, or runs for too long.

    Notes
    -----
    The other process costs about a fifth of a second a file, and Python must be able to start one.
    Where it is not, read the file with h5py, and make the `Images`.

    Examples
    --------
    >>> import h5py, numpy as np, tempfile
    >>> from xpnn.data import read_h5
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with h5py.File(f"{folder}/cats.h5", "w") as file:
    ...         file["train_set_x"] = np.zeros((5, 64, 64, 3), np.uint8)
    ...         file["train_set_y"] = [0, 1, 0, 1, 1]
    ...         file["list_classes"] = [b"non-cat", b"cat"]
    ...     read_h5(f"{folder}/cats.h5")
    <Images: 5 of 64 x 64 x 3, classes non-cat 2, cat 3>
    """
    optional("h5py", "reading HDF5 files", "data")
    path = existing_file(path)
    expected = "a whole HDF5 file, found one that cannot be read"
    with translate_errors(path, expected, " Was it downloaded in full?"):
        images, labels, classes = _from_child(path)
    try:
        return Images(images, labels, tuple(json.loads(classes.tobytes())))
    except ArgumentError as error:
        raise ArgumentError(f"{path}: {error}") from None


def _from_child(path: Path) -> list[Array]:
    """Return the three arrays of a file, which another process reads."""
    variables = os.environ | VARIABLES
    with Popen(_command(path), stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=variables) as child:
        out: Any = child.stdout
        try:
            check_fits(path, int(out.readline()))
            return [_array(out) for _ in range(3)]
        except ArgumentError:
            raise
        except ValueError as error:  # the output is not whole
            raise _refusal(path, child) from error
        finally:
            child.kill()


def _array(out: Any) -> Array:
    """Return the next array of a pipe, of which NumPy's own reader wants to know the position."""
    np.lib.format.read_magic(out)
    shape, _, dtype = np.lib.format.read_array_header_1_0(out)
    data = np.empty(shape, dtype)
    if out.readinto(data.reshape(-1).view(np.uint8).data) < data.nbytes:
        raise ValueError("the output has ended")
    return data


def _command(path: Path) -> list[Any]:
    from multiprocessing.spawn import get_executable  # which a program that embeds Python sets

    if getattr(sys, "frozen", False):  # it would start the program again that Python is part of
        raise OSError("a program that Python is packed into cannot start Python")
    child = Path(__file__).with_name("_hdf5_child.py")
    return [get_executable(), "-I", child, json.dumps([str(path), [str(p) for p in sys.path]])]


def _refusal(path: Path, child: Any) -> Exception:
    """Return the error for a child that has not sent its arrays."""
    said = child.communicate(timeout=60)[1].decode(errors="replace")
    if child.returncode == REFUSED:
        return ArgumentError(f"{path}: {' '.join(said.split())}")
    if child.returncode < 0:
        name = Signals(-child.returncode).name
        said = f"the HDF5 library {ENDED.get(name, f'ended with {name}')}"
    return OSError(said or f"the HDF5 library ended with status {child.returncode}")
