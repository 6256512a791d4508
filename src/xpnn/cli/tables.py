"""Tables as pandas frames: .csv, .tsv and .parquet. Of several ranks, each reads its own rows."""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from .._optional import optional
from .._terminal import listed
from ..data.files import check_fits, open_unpacked, translate_errors
from ..distributed.processes import ALONE, Communicator
from ..exceptions import ArgumentError
from ..preprocessing.table import categories_of
from .parquet import read_row_groups

BLOCK = 2**20  # bytes of a file that are looked at together
TABLES = (".csv", ".tsv", ".parquet")
SEPARATED = {".csv": "commas", ".tsv": "tabs"}
CELL_BYTES = 24
"""pandas' memory for a cell: where it begins, twice, and the number it holds."""
COLUMN_BYTES = 4096
"""pandas' memory for a column, about twice: its name and its array."""


def read_table(
    path: Path, kind: str, comm: Communicator = ALONE, text_columns: Iterable[str] = ()
) -> Any:
    """Return this rank's rows of a table as a pandas frame; ``text_columns`` are read as text.

    A column is text on all ranks or on none.
    """
    frame = _read(path, kind, comm, text_columns)
    if comm.size == 1:
        return frame
    infer = optional("pandas", "reading tables", "data").api.types.infer_dtype
    text_columns = {name for name in frame if infer(frame[name], skipna=True) == "string"}
    by_rank = comm.gather(text_columns)
    on_any = set.union(*by_rank)
    if kind != ".parquet" and any(columns != on_any for columns in by_rank):
        frame = _read(path, kind, comm, on_any)
    frame.index += comm.locate(len(frame))[0].start  # errors count rows in the whole table
    return frame


def gather_column(comm: Communicator, column: Any) -> Any:
    """Return a column with the rows of all ranks, a pandas Series or a NumPy array."""
    if comm.size == 1:
        return column
    by_rank = comm.gather(column)
    if isinstance(column, np.ndarray):
        return np.concatenate(by_rank)
    return optional("pandas", "reading tables", "data").concat(by_rank, ignore_index=True)


def with_categories(frame: Any, excluded: set[str | None], comm: Communicator) -> Any:
    """Give text columns the dtype ``category``, with the categories of all ranks."""
    frame = frame.copy(deep=False)
    for name in frame.columns:
        if name in excluded:
            continue
        numeric = all(comm.gather(frame[name].dtype.kind in "iufb"))
        categories = None if numeric else categories_of(name, gather_column(comm, frame[name]))
        if categories is not None:
            texts = frame[name].astype(object).map(str, na_action="ignore")
            frame[name] = texts.astype("category").cat.set_categories(categories)
    return frame


def _read(path: Path, kind: str, comm: Communicator, text_columns: Iterable[str]) -> Any:
    """Return this rank's rows as pandas finds them, but for ``text_columns``."""
    with translate_errors(path, "a table that can be read"):
        if kind == ".parquet":
            frame = read_row_groups(comm, path)
        else:
            frame = _of_text(path, "\t" if kind == ".tsv" else ",", text_columns, comm)
    frame.columns = [str(name) for name in frame.columns]
    _check_frame(path, kind, frame, comm)
    return frame


def _check_frame(path: Path, kind: str, frame: Any, comm: Communicator) -> None:
    """Raise unless a table has rows, and columns that each have one name."""
    separated = kind != ".parquet"
    pandas = optional("pandas", "reading tables", "data")
    if separated and not isinstance(frame.index, pandas.RangeIndex):
        raise ArgumentError(
            f"{path}: expected as many cells in each line as in the first, "
            f"{len(frame.columns)}, found more; give every column a name, and end no line with a "
            "separator."
        )
    if not len(frame):
        found = "a header without any" if comm.size == 1 else "none for one of the ranks"
        raise ArgumentError(f"{path}: expected rows of data, found {found}.")
    if separated and all(map(_is_number, frame.columns)):
        raise ArgumentError(
            f"{path}: expected the names of the columns in its first line, found numbers: "
            f"{listed(frame.columns[:5])}; add a line of names."
        )
    if separated and len(frame.columns) == 1 and set(frame.columns[0]) & set(";\t,|"):
        raise ArgumentError(
            f"{path}: expected columns separated by {SEPARATED[kind]}, found a single column "
            f"{listed(frame.columns)!r}; save it as .csv with commas, or as .tsv with tabs."
        )
    if not frame.columns.is_unique:
        repeated = frame.columns[frame.columns.duplicated()][:1]
        raise ArgumentError(f"{path}: expected each column once, found {listed(repeated)!r} again.")


def _of_text(path: Path, separator: str, text_columns: Iterable[str], comm: Communicator) -> Any:
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
                dtype=dict.fromkeys(text_columns, str),
            )
        except pandas.errors.EmptyDataError:
            raise ArgumentError(f"{path}: expected a table, found an empty file.") from None
        except UnicodeDecodeError as error:
            raise ArgumentError(f"{path}: expected text in UTF-8 ({error}); save it so.") from error


def _check_cells(path: Path, file: Any, separator: bytes) -> None:
    """Raise, before pandas asks for memory, for more text, cells and columns than fit."""
    needed = COLUMN_BYTES * _columns(path, file, separator)
    while block := file.read(BLOCK):
        needed += len(block) + CELL_BYTES * (block.count(separator) + block.count(b"\n"))
        check_fits(path, needed)
    file.seek(0)


def _columns(path: Path, file: Any, separator: bytes) -> int:
    """Return how many columns the first line of a table has that is not blank."""
    columns, quotes = 1, 0
    while piece := file.readline(BLOCK):
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


# ---- a rank's part of a table of text --------------------------------------


def read_lines(comm: Communicator, path: Path) -> BytesIO:
    """Return the header of a table of text, and the lines that begin in this rank's part of it.

    Each rank reads its part only, about as many bytes as the others.
    """
    if path.suffix == ".gz":
        raise ArgumentError(
            f"{path}: expected a table of which each rank can read its part, found a "
            "compressed one; unpack it first, or make it a .parquet."
        )
    part = comm.shard(path.stat().st_size)
    with path.open("rb") as file:
        quotes = _quotes(file, part)
        by_rank = comm.gather(quotes)
        if sum(by_rank) % 2 == 1:
            raise ArgumentError(
                f"{path}: expected quotation marks in pairs, found {sum(by_rank)}; put a cell "
                "that has one in quotation marks, and double its own."
            )
        before = sum(by_rank[: comm.rank])
        first = _next_line(file, part.start, before)
        last = _next_line(file, part.stop, before + quotes)
        header = _header(file)
        file.seek(0)
        names = b"" if first == 0 else file.read(header)
        file.seek(first)
        return BytesIO(names + file.read(last - first))


def _quotes(file: Any, part: slice) -> int:
    """Count the quotation marks in a part of a file."""
    file.seek(part.start)
    starts = range(part.start, part.stop, BLOCK)
    return sum(file.read(min(BLOCK, part.stop - start)).count(b'"') for start in starts)


def _header(file: Any) -> int:
    """Return where the first line of a table that is not blank ends."""
    file.seek(0)
    blank = 0
    while (line := file.readline()) and not line.strip():
        blank += len(line)
    return _next_line(file, blank + 1, _quotes(file, slice(blank, blank + 1)))


def _next_line(file: Any, position: int, quotes: int) -> int:
    """Return where the next line of a table begins, at ``position`` or after it.

    After an odd number of ``quotes`` the end of a line is inside a cell.
    """
    inside = quotes % 2 == 1
    file.seek(max(0, position - 1))
    if position == 0 or (file.read(1) == b"\n" and not inside):
        return position
    for line in file:
        position += len(line)
        inside ^= line.count(b'"') % 2 == 1
        if not inside:
            break
    return position
