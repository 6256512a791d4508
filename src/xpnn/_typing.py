"""Names for the types that the array libraries do not share."""

from typing import Any, TypeAlias

Array: TypeAlias = Any
"""An array of whatever library is at work."""

Namespace: TypeAlias = Any
"""A module that follows the Python Array API standard, called ``xp`` everywhere."""

Rng: TypeAlias = Any
"""An int seed, a NumPy ``Generator``, a NumPy ``RandomState``, or None for fresh entropy."""
