"""`Demonstration`: what a demonstration shows, in words, in a table, and as a picture."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..table import Table


@dataclass(frozen=True, repr=False)
class Demonstration:
    """The outcome of a demonstration; print it, or save its picture.

    Attributes
    ----------
    claim : str
        What it shows, in a sentence or two.
    tables : tuple of Table
        The numbers that show it.
    draw : callable () -> matplotlib Figure
        The picture.
    """

    claim: str
    tables: tuple[Table, ...]
    draw: Callable[[], Any]

    def __repr__(self) -> str:
        return "\n\n".join([self.claim, *map(repr, self.tables)])

    def save(self, path: str | Path) -> None:
        """Write the picture to a file; its ending says in which format (png, svg, pdf)."""
        self.draw().savefig(path, dpi=150)
