"""A .parquet as a pandas frame: this rank's rows, if three times their size fits into memory."""

from pathlib import Path
from typing import Any

import numpy as np

from .._optional import optional
from ..data.files import check_fits
from ..distributed.processes import Communicator

COPIES = 3  # of the rows in memory, while they become a frame
ROWS, FEW_ROWS = 2**16, 2**8  # that are unpacked together; few if texts may be long


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
