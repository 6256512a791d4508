"""The processes of ``xpnn train --distributed``: which rows each reads, and what they exchange."""

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from io import SEEK_END, BytesIO, StringIO
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np

from .. import _signals
from .._backends.base import Backend
from .._backends.selection import get_backend, set_backend
from .._optional import optional
from ..data.files import check_fits
from ..distributed.processes import Communicator
from ..distributed.signals import exit_status
from ..exceptions import ArgumentError
from . import one_line

BLOCK = 2**20  # bytes that are looked at together for the end of a line
COPIES = 3  # of a .parquet, while it becomes a frame
ROWS, FEW_ROWS = 2**16, 2**8  # of a .parquet that are unpacked together; few if texts may be long


def own_rows(comm: Communicator, rows: Any, m: int) -> Any:
    """Return those of some rows of all that are among the m of this rank, counted from 0."""
    here, _ = comm.locate(m)
    return rows[(here.start <= rows) & (rows < here.stop)] - here.start


def gather_column(comm: Communicator, part: Any) -> Any:
    """Return a column of which each rank has a part, pandas' or NumPy's."""
    parts = comm.gather(part)
    if len(parts) == 1:
        return parts[0]
    if isinstance(part, np.ndarray):
        return np.concatenate(parts)
    return optional("pandas", "reading tables", "data").concat(parts, ignore_index=True)


def select_backend(comm: Communicator, name: str | None) -> Backend:
    """Select a backend; of several GPUs each rank of a machine gets another."""
    backend = set_backend(name) if name else get_backend()
    asked = name or os.environ.get("XPNN_BACKEND", "")
    if comm.size == 1 or asked[-1:].isdigit():
        return backend
    kind = backend.device_name.partition(":")[0]
    alike = [name for name in backend.devices() if name.partition(":")[0] == kind]
    device = alike[comm.local_rank % len(alike)]
    return backend if len(alike) == 1 else set_backend(f"{backend.name}:{device}")


def run_on_ranks(comm: Communicator, command: Callable[[], int]) -> int:
    """Run a command that only rank 0 prints from, and that ends on all ranks if it fails."""
    if comm.size == 1:
        return command()
    try:
        with nullcontext() if comm.is_root else redirect_stdout(StringIO()):
            return command()
    except KeyboardInterrupt:
        comm.abort(_signals.status())
        raise
    except SystemExit as error:
        comm.abort(exit_status(error))
    except Exception as error:
        if not comm.is_root:
            sleep(1.5)  # what rank 0 finds wrong as well is told once
        if "--debug" in sys.argv:
            traceback.print_exc()
        where = f"rank {comm.rank} of {comm.size}"
        try:
            sys.stderr.write(f"xpnn: error: {where}: {one_line(error)}\n")
        finally:
            comm.abort(2)
        raise


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
        everyone = comm.gather(quotes)
        if sum(everyone) % 2 == 1:
            raise ArgumentError(
                f"{path}: expected quotation marks in pairs, found {sum(everyone)}; put a cell "
                "that has one in quotation marks, and double its own."
            )
        before = sum(everyone[: comm.rank])
        first = _next_line(file, part.start, before)
        last = _next_line(file, part.stop, before + quotes)
        header = _header(file)
        file.seek(0)
        found = BytesIO(b"" if first == 0 else file.read(header))
        found.seek(0, SEEK_END)
        file.seek(first)
        found.write(file.read(last - first))
        found.seek(0)
        return found


def read_row_groups(comm: Communicator, path: Path) -> Any:
    """Return this rank's rows of a .parquet as a pandas frame; of the others none is read.

    Rows lie in groups, which are read whole: let there be at least one a rank.
    """
    parquet = optional("pyarrow.parquet", "reading tables", "data")
    with path.open("rb") as opened, parquet.ParquetFile(opened) as file:  # a name may be a URL
        part = comm.shard(file.metadata.num_rows)
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        stops = np.cumsum(sizes)
        starts = stops - sizes
        wanted = np.flatnonzero((stops > part.start) & (starts < part.stop))
        table = _read(path, file, wanted.tolist())
        skipped = part.start - int(starts[wanted[0]]) if len(wanted) else 0
        return table.slice(skipped, part.stop - part.start).to_pandas().reset_index(drop=True)


def _quotes(file: Any, part: slice) -> int:
    """Count the quotation marks in a part of a file."""
    file.seek(part.start)
    found = 0
    for start in range(part.start, part.stop, BLOCK):
        found += file.read(min(BLOCK, part.stop - start)).count(b'"')
    return found


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


def _read(path: Path, file: Any, groups: list[int]) -> Any:
    """Return groups of rows of a .parquet as one table, if three times its size fits into memory.

    Arrow holds it once, and pandas twice while it brings columns of one type together.
    """
    rows = sum(file.metadata.row_group(i).num_rows for i in groups)
    check_fits(path, COPIES * rows * sum(map(_width, file.schema_arrow.types)))
    size = ROWS if _check_texts(path, file.schema, groups) else FEW_ROWS
    batches, found = [], 0
    for batch in file.iter_batches(size, row_groups=groups):
        found += batch.nbytes
        check_fits(path, COPIES * found)
        batches.append(batch)
    pyarrow = optional("pyarrow", "reading tables", "data")
    schema = batches[0].schema if batches else file.schema_arrow
    table = pyarrow.Table.from_batches(batches, schema)
    table.validate(full=True)  # texts that are no UTF-8 would be found when they are looked at
    return table


def _check_texts(path: Path, schema: Any, groups: list[int]) -> bool:
    """Raise if the texts of a .parquet do not fit into memory; return whether they can be measured.

    No header tells their lengths, and many rows may name one entry of a dictionary. So Arrow
    unpacks the entries only. It cannot do so where a file holds how each text differs from the
    last.
    """
    parquet = optional("pyarrow.parquet", "reading tables", "data")
    types = optional("pyarrow.types", "reading tables", "data")
    categories = {
        field.name for field in schema.to_arrow_schema() if types.is_dictionary(field.type)
    }
    leaves = [schema.column(i) for i in range(len(schema))]
    texts = {leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"} - categories
    needed = 0
    with path.open("rb") as opened, parquet.ParquetFile(opened, read_dictionary=texts) as file:
        try:
            for batch in file.iter_batches(ROWS, row_groups=groups, columns=sorted(texts)):
                needed += sum(map(_unpacked, batch.columns))
                check_fits(path, COPIES * needed)
        except OSError:  # "not yet implemented", or a damaged file, of which the reader tells
            return False
    return True


def _unpacked(column: Any) -> int:
    """Return how many bytes the texts of an Arrow column have when no dictionary shortens them."""
    compute = optional("pyarrow.compute", "reading tables", "data")
    types = optional("pyarrow.types", "reading tables", "data")
    if types.is_dictionary(column.type):
        lengths = compute.binary_length(column.dictionary)
        return compute.sum(lengths.cast("int64").take(column.indices)).as_py() or 0
    if types.is_map(column.type):  # Arrow does not flatten it
        first, last = column.offsets[0].as_py(), column.offsets[-1].as_py()
        parts = [part.slice(first, last - first) for part in (column.keys, column.items)]
    elif types.is_struct(column.type):
        parts = column.flatten()
    else:
        parts = [column.flatten()] if types.is_nested(column.type) else []
    return sum(map(_unpacked, parts))


def _width(kind: Any) -> int:
    """Return how many bytes a cell of an Arrow type takes at least."""
    try:
        return int(kind.bit_width) // 8
    except ValueError:  # texts and lists
        return 8
