"""The estimators by name, and scikit-learn's names of activations.

Each estimator registers itself. So files and conversions find the classes, but import none.
"""

from typing import Any

ESTIMATORS: dict[str, Any] = {}
"""Class name to class."""

OUR_NAMES = {"logistic": "sigmoid"}
"""scikit-learn's names of activations, where ours are others."""
ITS_NAMES = {ours: its for its, ours in OUR_NAMES.items()}
