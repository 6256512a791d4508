"""Small tables as text."""

from collections.abc import Iterable, Sequence

from ._terminal import escaped


class Table:
    """Rows under a header, printed in aligned columns.

    Attributes
    ----------
    header : tuple of str
    rows : tuple of tuple
    """

    def __init__(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        self.header = tuple(header)
        self.rows = tuple(tuple(row) for row in rows)

    def __repr__(self) -> str:
        lines = [tuple(map(escaped, row)) for row in (self.header, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )
