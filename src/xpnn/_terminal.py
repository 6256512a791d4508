"""Text for people: control characters are escaped, so that a terminal obeys none."""

import re
from collections.abc import Iterable

OBEYED = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff]"
)
"""Control characters, line ends, controls of the writing direction, and lone surrogates, which
stand for the bytes of file names that are not UTF-8."""


def escaped(text: object) -> str:
    r"""Return a text as one line, with its control characters escaped.

    Labels, names of columns and names of files may come from strangers.

    Examples
    --------
    >>> from xpnn._terminal import escaped
    >>> print(escaped("cat\x1b[2J\naccuracy 1.0"))
    cat\x1b[2J\naccuracy 1.0
    """
    return OBEYED.sub(lambda found: repr(found[0])[1:-1], str(text))


def escaped_lines(text: str) -> str:
    """Return a text with its control characters escaped, but for its line ends."""
    return "\n".join(map(escaped, text.split("\n")))


def listed(names: Iterable[object], most: int = 10) -> str:
    """Return the first names, and how many more there are, in at most 500 characters.

    Examples
    --------
    >>> from xpnn._terminal import listed
    >>> listed("abcde", most=3)
    'a, b, c, and 2 more'
    """
    texts = list(map(str, names))
    if len(texts) > most:
        texts[most:] = [f"and {len(texts) - most} more"]
    text = ", ".join(texts)
    return text if len(text) <= 500 else f"{text[:499]}…"
