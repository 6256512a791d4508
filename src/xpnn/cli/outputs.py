"""Files that commands write: proved possible before the work; after it, saved in any case."""

import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .._optional import optional
from ..exceptions import ArgumentError
from ..files.atomic import check_replaceable

LONGEST = 240
"""Bytes in the name of a model: file systems allow 255."""


class Outputs(NamedTuple):
    """What ``xpnn train`` writes, and where."""

    model: Path
    checkpoint: Path | None
    picture: Path | None
    json: bool
    """Whether standard output gets JSON."""

    def check(self, data: str, labels: str | None) -> None:
        """Raise, before the training, if something that is written after it cannot be."""
        check_distinct(
            {"--output": self.model, "--checkpoint": self.checkpoint, "--plot": self.picture},
            {"DATA": data, "LABELS": labels},
        )
        check_file("--output", self.model, ".safetensors")
        if self.checkpoint:
            check_file("--checkpoint", self.checkpoint, ".safetensors")
        if self.picture:
            check_picture(self.picture)


def check_file(option: str, path: Path, ending: str) -> None:
    """Raise unless a file of that ending can be written."""
    if path.suffix != ending:
        raise ArgumentError(f"{option}: expected a name that ends in {ending}, found {path}.")
    if len(os.fsencode(path.name)) > LONGEST:
        raise ArgumentError(
            f"{option}: expected a name of at most {LONGEST} bytes, since programs that copy or "
            f"compress a file make its name longer, found one of {len(os.fsencode(path.name))}."
        )
    check_writable(option, path)


def check_picture(path: Path) -> None:
    """Raise if no picture can be written there, before anything is computed."""
    canvas = optional("matplotlib.backend_bases", "drawing", "plot").FigureCanvasBase
    known = sorted(canvas.get_supported_filetypes())
    if path.suffix.removeprefix(".").lower() not in known:
        raise ArgumentError(
            f"--plot: expected a file name that ends in one of {', '.join(known)}, found {path}."
        )
    check_writable("--plot", path)


def check_writable(option: str, path: Path) -> None:
    """Raise unless a file can be written; this leaves nothing behind."""
    try:
        check_replaceable(path)
    except OSError as error:
        raise ArgumentError(
            f"{option}: expected a file that can be written, found {path} ({error.strerror})."
        ) from error


def check_distinct(
    outputs: Mapping[str, Path | None], inputs: Mapping[str, str | Path | None]
) -> None:
    """Raise if a file would replace another output, or an input."""
    taken = {
        os.path.realpath(path): name
        for name, path in inputs.items()
        if path is not None and os.path.lexists(path)  # DATA may be a name, such as digits
    }
    for option, path in outputs.items():
        if path is None:
            continue
        real = os.path.realpath(path)
        if other := taken.get(real):
            raise ArgumentError(f"{option}: expected another file than {other}, found {path}.")
        taken[real] = option


def save_or_rescue(save: Callable[[Path], None], path: Path) -> tuple[Path, Exception | None]:
    """Save to a file, or to one in the temporary or home folder if that fails; say where and why.

    What has been trained for long is not to be lost, as the disk is full by now.
    """
    try:
        _save(save, path)
    except Exception as error:
        for folder in (tempfile.gettempdir, Path.home):
            with suppress(Exception):
                return _save_in(Path(folder()), save, path), error
        raise
    return path, None


def _save(save: Callable[[Path], None], path: Path) -> None:
    """Save; Ctrl-C, or a signal to end, comes after that, a second one at once."""
    try:
        save(path)
    except KeyboardInterrupt:
        save(path)
        raise


def _save_in(folder: Path, save: Callable[[Path], None], path: Path) -> Path:
    """Save to a new file in a folder, which nobody else can read."""
    number, name = tempfile.mkstemp(path.suffix, f"{path.stem[:50]}-", folder)
    os.close(number)
    try:
        _save(save, Path(name))
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)
