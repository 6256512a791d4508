"""`TableEncoder`: tables as rows of numbers. Numbers stay numbers, text becomes one-hot."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.validation import check_is_fitted

from .._optional import optional
from .._terminal import listed
from .._typing import Array
from ..exceptions import ArgumentError, ArgumentTypeError, ColumnError
from ..files import container

NUMBERS = {"boolean", "decimal", "floating", "integer", "mixed-integer-float"}
TEXTS = {"categorical", "string"}
"""What pandas calls columns that can be used."""
FEW = 10
"""So many categories are never too many."""


@dataclass(frozen=True)
class Column:
    """What a table had in one of its columns.

    Attributes
    ----------
    name : str
    categories : list of str, or None if the column has numbers
    fill : float, str or None
        What stands for a missing value; None if none may be missing.
    """

    name: str
    categories: list[str] | None
    fill: float | str | None

    @property
    def features(self) -> list[str]:
        """Name the numbers that one value becomes."""
        if self.categories is None:
            return [self.name]
        return [f"{self.name}={category}" for category in self.categories]


class TableEncoder(TransformerMixin, BaseEstimator):
    """Turns the columns of a pandas frame into rows of numbers, float64.

    Numbers and truth values come first, in the order of their columns; then of each column of text
    one number a category, 1 for the category of the row and 0 for the others. A frame with other
    columns is refused, their order is of no account.

    Parameters
    ----------
    target : str, optional
        The column to learn. It is passed over, and need not be there.
    drop : sequence of str
        Columns that are passed over likewise.
    impute : bool
        Whether a missing number becomes the median of its column, and missing text the most
        frequent. Otherwise a missing value is refused.

    Attributes
    ----------
    columns_ : list of Column
        Those of numbers first.

    Examples
    --------
    >>> import pandas as pd
    >>> from xpnn.preprocessing.table import TableEncoder
    >>> frame = pd.DataFrame({"colour": ["red", "blue", "red"], "weight": [1.5, None, 2.5]})
    >>> encoder = TableEncoder(impute=True).fit(frame)
    >>> encoder.get_feature_names_out().tolist()
    ['weight', 'colour=blue', 'colour=red']
    >>> encoder.transform(frame)
    array([[1.5, 0. , 1. ],
           [2. , 1. , 0. ],
           [2.5, 0. , 1. ]])
    """

    kind = "table"

    def __init__(
        self, target: str | None = None, drop: Sequence[str] = (), impute: bool = False
    ) -> None:
        self.target = target
        self.drop = drop
        self.impute = impute

    def fit(self, X: Any, y: Any = None, *, whole: Callable[[Any], Any] | None = None) -> Self:
        """Learn the columns of a frame: types, categories, and what stands for a missing value.

        A column of dtype ``category`` has the categories of its dtype, whether or not they occur.
        Where several processes have some of the rows each, ``whole`` returns all of a column, which
        what is imputed needs; types and categories must be the same with all of them.
        """
        self._check_frame(X)
        missing = [repr(name) for name in self.drop if name not in X]
        if missing:
            raise ArgumentError(
                f"drop: expected columns of the table ({listed(X.columns)}), found "
                f"{', '.join(missing)}."
            )
        names = [name for name in X.columns if name not in self._passed_over]
        if not names:
            raise ArgumentError(
                f"expected at least one column beside the target, found {listed(X.columns)}. Are "
                "the values separated by something else than a comma (.csv) or a tab (.tsv)?"
            )
        given = whole if whole is not None and self.impute else lambda column: column
        columns = [self._learn(name, given(X[name])) for name in names]
        self.columns_ = sorted(columns, key=lambda column: column.categories is not None)
        self._prepare()
        return self

    def transform(self, X: Any) -> Array:
        """Return a frame as rows, shape (m, n_features)."""
        check_is_fitted(self)
        self._check_frame(X)
        self._check_names(list(X.columns))
        numbers = [_numbers(c, X[c.name]) for c in self.columns_ if c.categories is None]
        texts = [_texts(c, X[c.name]) for c in self.columns_ if c.categories is not None]
        rows = np.empty((len(X), self.n_features_out), dtype=np.float64)
        for j, column in enumerate(numbers):
            rows[:, j] = column
        if texts:
            rows[:, len(numbers) :] = self._one_hot.transform(np.stack(texts, axis=1))
        return rows

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Name the numbers of a row: ``weight`` for a number, ``colour=red`` for a category."""
        check_is_fitted(self)
        names = [name for column in self.columns_ for name in column.features]
        return np.asarray(names, dtype=object)

    @property
    def n_features_out(self) -> int:
        """How many numbers a row has."""
        return sum(len(column.features) for column in self.columns_)

    @property
    def n_numbers(self) -> int:
        """How many of them are numbers of the table; they come first."""
        return sum(column.categories is None for column in self.columns_)

    def describe(self) -> dict[str, Any]:
        """Return what `from_description` makes it from, as plain values."""
        return {
            "kind": self.kind,
            "target": self.target,
            "drop": list(self.drop),
            "impute": self.impute,
            "columns": [asdict(column) for column in self.columns_],
        }

    @classmethod
    def from_description(cls, described: dict[str, Any]) -> Self:
        """Make it from what `describe` returned; trust nothing in it."""
        keys = {"kind", "target", "drop", "impute", "columns"}
        container.expect("rows", described.keys() == keys)
        target, drop, impute = described["target"], described["drop"], described["impute"]
        container.expect("target", target is None or isinstance(target, str))
        container.expect("drop", isinstance(drop, list) and all(isinstance(d, str) for d in drop))
        container.expect("impute", isinstance(impute, bool))
        encoder = cls(target, drop, impute)
        encoder.columns_ = [Column(**column) for column in described["columns"]]
        for column in encoder.columns_:
            _check_column(column, impute=impute)
        names = [column.name for column in encoder.columns_]
        container.expect("columns", 0 < len(names) == len(set(names)))
        numeric = [column.categories is None for column in encoder.columns_]
        container.expect("columns", numeric == sorted(numeric, reverse=True))
        encoder._prepare()
        return encoder

    @property
    def _passed_over(self) -> set[str]:
        return {*self.drop, *(() if self.target is None else (self.target,))}

    def _prepare(self) -> None:
        categories = [c.categories for c in self.columns_ if c.categories is not None]
        if categories:
            arrays = [np.asarray(each, dtype=object) for each in categories]
            first = np.asarray([[each[0] for each in categories]], dtype=object)
            self._one_hot = OneHotEncoder(categories=arrays, sparse_output=False).fit(first)

    def _learn(self, name: str, values: Any) -> Column:
        categories = categories_of(name, values)
        present = values.dropna()
        if present.empty:
            raise _droppable(name, "expected values, found none; drop it")
        if not self.impute:
            _check_missing(name, values)
            return Column(name, categories, None)
        fill = float(_floats(present).median()) if categories is None else str(present.mode()[0])
        return Column(name, categories, fill)

    def _check_names(self, names: list[str]) -> None:
        expected = [column.name for column in self.columns_]
        missing = [repr(name) for name in expected if name not in names]
        surplus = [repr(name) for name in names if name not in {*expected, *self._passed_over}]
        if missing or surplus:
            found = [f"without {', '.join(missing)}"] if missing else []
            found += [f"with {', '.join(surplus)}"] if surplus else []
            raise ArgumentError(
                f"expected the columns the model was trained on, {listed(sorted(expected))}, found"
                f" a table {' and '.join(found)}."
            )

    @staticmethod
    def _check_frame(X: Any) -> None:
        pandas = optional("pandas", "reading tables", "data")
        if not isinstance(X, pandas.DataFrame):
            raise ArgumentTypeError(
                f"X: expected a pandas DataFrame with named columns, found {type(X).__name__}."
            )
        if not len(X):
            raise ArgumentError("expected a table with rows, found one without any.")
        repeated = X.columns[X.columns.duplicated()].tolist()
        if repeated:
            raise ArgumentError(
                f"expected columns of different names, found {repeated[0]!r} twice."
            )


def categories_of(name: str, values: Any) -> list[str] | None:
    """Return the categories of a column of text, None for one of numbers, or raise.

    A column of text that looks like numbers with exceptions, or like names, is refused.
    """
    pandas = optional("pandas", "reading tables", "data")
    found = pandas.api.types.infer_dtype(values, skipna=True)
    if found in NUMBERS:
        return None
    if found not in TEXTS:
        raise _droppable(name, f"expected numbers or text, found {found}; convert it, or drop it")
    if found == "categorical":
        return sorted(map(str, values.cat.categories))
    words = _words(values)
    if 0 < words.sum() < 0.5 * values.notna().sum():
        where, value = _first(values, words)
        raise _droppable(
            name,
            f"expected numbers, or text, found {value!r} among numbers ({where}); correct it, "
            "leave the cell empty if the value is missing, or drop the column",
        )
    categories = sorted(values.dropna().unique())
    if len(categories) > max(FEW, len(values) // 2):
        raise _droppable(
            name,
            "expected numbers, or categories that occur again and again, found "
            f"{len(categories)} different texts in {len(values)} rows, as names have; drop it",
        )
    return categories


# ---- one column -------------------------------------------------------------


def _numbers(column: Column, values: Any) -> Any:
    try:
        numbers = _floats(values)
    except (TypeError, ValueError) as error:
        where, value = _first(values, _words(values))
        raise ArgumentError(
            f"column {column.name!r}: expected numbers, as the model was trained on, found "
            f"{value!r} ({where})."
        ) from error
    infinite = np.isinf(numbers)
    if infinite.any():
        where, value = _first(numbers, infinite)
        raise ArgumentError(
            f"column {column.name!r}: expected finite numbers, found {value} ({where})."
        )
    return _filled(column, numbers).to_numpy()


def _texts(column: Column, values: Any) -> Any:
    texts = _filled(column, values.astype(object).map(str, na_action="ignore"))
    unknown = ~texts.isin(column.categories)
    if unknown.any():
        where, value = _first(texts, unknown)
        raise ArgumentError(
            f"column {column.name!r}: expected one of {listed(column.categories or ())}, as the "
            f"model was trained on, found {value!r} ({where})."
        )
    return texts.to_numpy(dtype=object)


def _filled(column: Column, values: Any) -> Any:
    """Impute the missing values, or raise if there are any and none may be missing."""
    if column.fill is None:
        _check_missing(column.name, values)
        return values
    return values.fillna(column.fill)


def _floats(values: Any) -> Any:
    pandas = optional("pandas", "reading tables", "data")
    return pandas.to_numeric(values).astype("Float64").astype("float64")


def _words(values: Any) -> Any:
    """Return which values of a column are no numbers, though not missing."""
    pandas = optional("pandas", "reading tables", "data")
    return values.notna() & pandas.to_numeric(values, errors="coerce").isna()


def _check_missing(name: str, values: Any) -> None:
    missing = values.isna()
    if missing.any():
        n = int(missing.sum())
        raise ColumnError(
            f"column {name!r}: expected a value in every row, found {n} missing (the first in "
            f"{_first(values, missing)[0]}); remove such rows, or train with",
            "impute=True",
            name,
            n,
        )


def _droppable(name: str, problem: str) -> ColumnError:
    """Word the error for a column that can be left out."""
    return ColumnError(f"column {name!r}: {problem}:", f"drop=[{name!r}]", name)


def _first(values: Any, wanted: Any) -> tuple[str, Any]:
    """Return where the first wanted value of a column stands, and the value.

    Rows are counted from 1 below the header, also in a part of a table.
    """
    position = int(np.argmax(wanted))
    label = values.index[position]
    row = label + 1 if isinstance(label, int | np.integer) else position + 1
    return f"row {row}", values.iloc[position]


def _check_column(column: Any, *, impute: bool) -> None:
    """Raise `ValueError` unless a column of a file is one."""
    name, categories, fill = column.name, column.categories, column.fill
    container.expect("name", isinstance(name, str))
    if categories is None:
        filled = type(fill) is float and isfinite(fill)
    else:
        texts = isinstance(categories, list) and all(isinstance(c, str) for c in categories)
        container.expect(name, texts and 0 < len(categories) == len(set(categories)))
        filled = fill in categories
    container.expect(name, filled if impute else fill is None)
