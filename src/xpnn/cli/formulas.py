"""Texts that a spreadsheet program takes for formulas when it opens a CSV."""

import re

FORMULA = re.compile(r"(^|[;\t\r\n])(?=['\s]*[=+\-@＝＋－＠])|^(?=[\t\r\n])")
"""The place before a formula: in a cell, or in a part of it where ; or a tab separates cells."""
SIGNS = ("+", "-")
"""Labels of many a data set. Alone they are no formula."""


def is_formula(text: object) -> bool:
    """Whether this is a text, and a spreadsheet program runs it or a part of it."""
    return isinstance(text, str) and text not in SIGNS and FORMULA.search(text) is not None


def as_text(cell: object) -> object:
    """Return a cell that spreadsheet programs show and do not run.

    A formula gets a ' before it, and so does one that has a ' there already: whoever removes one '
    before a formula has the text again.
    """
    return FORMULA.sub(r"\1'", str(cell)) if is_formula(cell) else cell
