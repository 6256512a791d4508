"""Encoders: from raw data to the rows of numbers that a network takes.

`TableEncoder`   the columns of a pandas frame: numbers stay numbers, text becomes one-hot
`ImageEncoder`   images of bytes: each becomes a row of numbers from 0 to 1

Both are transformers of scikit-learn that a model file can hold (`describe`, `encoder_of`): what
`xpnn train` saves, `xpnn.load` returns as a Pipeline of one of them and an estimator.
"""

from typing import Any

from ..exceptions import FileFormatError
from .images import ImageEncoder
from .table import TableEncoder

__all__ = ["TableEncoder", "ImageEncoder", "encoder_of"]

KINDS: dict[str, type[TableEncoder] | type[ImageEncoder]] = {
    kind.kind: kind for kind in (TableEncoder, ImageEncoder)
}


def encoder_of(described: Any) -> TableEncoder | ImageEncoder:
    """Return what `describe` described, or raise `FileFormatError`."""
    try:
        return KINDS[described["kind"]].from_description(described)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"damaged: it does not describe what its model is given ({error})."
        raise FileFormatError(reason) from error
