"""From frames and images to rows, and what a model file keeps of the way."""

import json
import pickle

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

import xpnn
from xpnn.estimators.persistence import save_pipeline
from xpnn.preprocessing import ImageEncoder, TableEncoder, encoder_of


@pytest.fixture
def pd():
    return pytest.importorskip("pandas")


@pytest.fixture
def frame(pd):
    return pd.DataFrame(
        {
            "city": ["Rome", "Oslo", None, "Rome", "Lima", "Rome"],
            "height": [1.5, np.nan, 2.5, 4.0, 3.0, 1.0],
            "open": [True, False, True, True, False, False],
            "size": ["L", "S", "S", None, "M", "S"],
            "y": [1, 0, 1, 0, 1, 0],
        }
    )


def whole(frame):
    return frame.dropna().reset_index(drop=True)


def test_rows_are_those_of_scikit_learns_transformers(frame):
    numbers, texts = ["height", "open"], ["city", "size"]
    theirs = ColumnTransformer(
        [
            ("numbers", SimpleImputer(strategy="median"), numbers),
            (
                "texts",
                make_pipeline(
                    SimpleImputer(strategy="most_frequent"), OneHotEncoder(sparse_output=False)
                ),
                texts,
            ),
        ]
    )
    given = frame.astype({"city": object, "size": object, "open": float})
    expected = theirs.fit_transform(given.where(given.notna(), np.nan))
    encoder = TableEncoder("y", impute=True).fit(frame)
    np.testing.assert_array_equal(encoder.transform(frame), expected)
    assert encoder.transform(frame).dtype == np.float64
    assert encoder.get_feature_names_out().tolist() == [
        "height",
        "open",
        *(f"city={name}" for name in ("Lima", "Oslo", "Rome")),
        *(f"size={name}" for name in "LMS"),
    ]
    assert (encoder.n_numbers, encoder.n_features_out) == (2, 8)


def test_order_target_and_dropped_columns_are_of_no_account(frame):
    frame = whole(frame)
    encoder = TableEncoder("y", drop=("size",)).fit(frame)
    expected = encoder.transform(frame)
    np.testing.assert_array_equal(encoder.transform(frame[["open", "city", "height"]]), expected)
    np.testing.assert_array_equal(encoder.transform(frame[frame.columns[::-1]]), expected)


def test_nothing_is_altered(frame):
    before = frame.copy()
    TableEncoder("y", impute=True).fit(frame).transform(frame)
    assert frame.equals(before)


def test_a_column_of_dtype_category_keeps_the_categories_it_lacks(frame, pd):
    sizes = pd.Categorical(frame["size"], categories=["L", "M", "S", "XS"])
    encoder = TableEncoder("y", impute=True).fit(frame.assign(size=sizes))
    assert encoder.columns_[-1].categories == ["L", "M", "S", "XS"]


@pytest.mark.parametrize("column", ["height", "size"])
def test_a_missing_value_is_refused_with_its_row(frame, column):
    row = int(frame[column].isna().to_numpy().argmax()) + 1
    others = [name for name in ("city", "height", "size") if name != column]
    with pytest.raises(xpnn.ArgumentError, match=rf"column '{column}': .*1 missing .*row {row}\)"):
        TableEncoder("y", drop=others).fit(frame)
    encoder = TableEncoder("y", drop=others).fit(whole(frame))
    with pytest.raises(xpnn.ArgumentError, match=rf"column '{column}': .*1 missing .*row {row}\)"):
        encoder.transform(frame)


def test_imputed_values_are_those_of_the_fit(frame):
    encoder = TableEncoder("y", impute=True).fit(frame)
    row = frame.iloc[:1].assign(height=np.nan, city=None, size=None)
    assert encoder.transform(row).tolist() == [[2.5, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"city": "Bonn"}, "column 'city': expected one of Lima, Rome, .*'Bonn' .row 1"),
        ({"height": "tall"}, "column 'height': expected numbers, .* found 'tall' .row 1"),
        ({"height": np.inf}, "column 'height': expected finite numbers, found inf"),
        ({"new": 1}, "with 'new'"),
    ],
)
def test_another_table_is_refused(frame, change, message):
    encoder = TableEncoder("y").fit(whole(frame))
    with pytest.raises(xpnn.ArgumentError, match=message):
        encoder.transform(whole(frame).assign(**change))


def test_a_table_without_a_column_is_refused(frame):
    encoder = TableEncoder("y").fit(whole(frame))
    with pytest.raises(xpnn.ArgumentError, match="without 'open', 'city'"):
        encoder.transform(frame[["height", "size"]])


def test_columns_that_are_neither_numbers_nor_text_are_refused(pd):
    refused = {
        "when": (pd.date_range("2026-01-01", periods=4), "datetime64"),
        "mixed": ([1, "a", None, 2.0], "expected numbers or text, found mixed"),
        "lists": ([[1], [2], [3], [4]], "expected numbers or text, found mixed"),
        "complex": ([1j, 2j, 3j, 4j], "expected numbers or text, found complex"),
        "nothing": ([None] * 4, "found"),
        "nan": ([np.nan] * 4, "expected values, found none"),
        "questioned": (["1", "2", "?", "4"], r"found '\?' among numbers .row 3"),
    }
    for name, (values, message) in refused.items():
        with pytest.raises(xpnn.ArgumentError, match=message) as caught:
            TableEncoder(impute=True).fit(pd.DataFrame({name: values}))
        assert f"column {name!r}" in str(caught.value)
        if name != "when":
            assert str(caught.value).endswith(f"drop=[{name!r}].")


def test_a_column_of_names_is_refused(pd):
    names = pd.DataFrame({"name": [f"n{i}" for i in range(20)]})
    with pytest.raises(xpnn.ArgumentError, match="20 different texts in 20 rows"):
        TableEncoder().fit(names)
    assert TableEncoder().fit(names.iloc[:10]).n_features_out == 10


def test_errors_of_columns_hold_the_column_and_what_is_missing(pd):
    missing = pd.DataFrame({"a": [1.0, np.nan, np.nan], "b": ["u", "v", "u"]})
    with pytest.raises(xpnn.exceptions.ColumnError, match=r"train with impute=True\.$") as caught:
        TableEncoder().fit(missing)
    assert (caught.value.column, caught.value.missing) == ("a", 2)
    with pytest.raises(xpnn.exceptions.ColumnError, match=r"drop it: drop=\['b'\]\.$") as caught:
        TableEncoder().fit(pd.DataFrame({"b": [None, None]}, dtype=object))
    assert (caught.value.column, caught.value.missing) == ("b", 0)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.column, again.problem) == (
        str(caught.value),
        "b",
        caught.value.problem,
    )


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda pd: np.ones((2, 2)), xpnn.ArgumentTypeError, "pandas DataFrame"),
        (lambda pd: pd.DataFrame({"a": []}), xpnn.ArgumentError, "found one without any"),
        (lambda pd: pd.DataFrame({"y": [1.0]}), xpnn.ArgumentError, "beside the target"),
        (lambda pd: pd.DataFrame([[1, 2]], columns=["a", "a"]), xpnn.ArgumentError, "'a' twice"),
    ],
)
def test_what_is_no_table_is_refused(pd, make, error, message):
    with pytest.raises(error, match=message):
        TableEncoder("y").fit(make(pd))


def test_parquets_own_dtypes(pd):
    frame = pd.DataFrame(
        {
            "a": pd.array([1, None, 3], dtype="Int64"),
            "b": pd.array([True, False, None], dtype="boolean"),
            "c": pd.array(["x", "y", None], dtype="string"),
            "d": pd.array([1.5, 2.5, None], dtype="Float32"),
        }
    )
    encoder = TableEncoder(impute=True).fit(frame)
    assert encoder.transform(frame).tolist() == [
        [1.0, 1.0, 1.5, 1.0, 0.0],
        [2.0, 0.0, 2.5, 0.0, 1.0],
        [3.0, 0.5, 2.0, 1.0, 0.0],
    ]


# ---- images --------------------------------------------------------------------


def test_images_become_rows(rng):
    images = rng.integers(0, 256, (5, 4, 3, 3)).astype(np.uint8)
    X = ImageEncoder((4, 3, 3)).transform(images)
    np.testing.assert_array_equal(X, images.reshape(5, -1) / np.float32(255.0))
    assert X.dtype == np.float32
    for wrong in (images[:, :3], images.astype(float), images[..., 0]):
        with pytest.raises(xpnn.ArgumentError, match=r"uint8\), shape \(m, 4, 3, 3\), found"):
            ImageEncoder((4, 3, 3)).transform(wrong)


# ---- in a file -------------------------------------------------------------------


def test_a_saved_pipeline_takes_raw_frames(frame, tmp_path):
    encoder = TableEncoder("y", impute=True).fit(frame)
    model = xpnn.MLPClassifier((3,), random_state=0, max_iter=5, tol=1.0, n_iter_no_change=1)
    model.fit(encoder.transform(frame), frame["y"])
    save_pipeline(encoder, model, tmp_path / "m.safetensors")
    loaded = xpnn.load(tmp_path / "m.safetensors")
    assert isinstance(loaded, Pipeline)
    np.testing.assert_array_equal(
        loaded.predict_proba(frame), model.predict_proba(encoder.transform(frame))
    )
    assert loaded[0].describe() == encoder.describe()


@pytest.mark.slow("jax")
def test_a_saved_pipeline_takes_raw_images(rng, tmp_path, backend):
    images = rng.integers(0, 256, (20, 4, 3)).astype(np.uint8)
    encoder = ImageEncoder((4, 3))
    model = xpnn.MLPRegressor(
        hidden_layer_sizes=3, random_state=0, max_iter=5, tol=1.0, n_iter_no_change=1
    )
    model.fit(encoder.transform(images), rng.random(20))
    save_pipeline(encoder, model, tmp_path / "m.safetensors")
    loaded = xpnn.load(tmp_path / "m.safetensors", backend="numpy")
    np.testing.assert_allclose(
        loaded.predict(images), model.predict(encoder.transform(images)), rtol=1e-5
    )


COLUMN = {"name": "a", "categories": None, "fill": None}
TEXT = {"name": "b", "categories": ["x", "y"], "fill": None}
TABLE = {"kind": "table", "target": None, "drop": [], "impute": False, "columns": [COLUMN, TEXT]}


def test_a_description_is_plain(frame):
    encoder = TableEncoder("y", ("size",), impute=True).fit(frame)
    described = json.loads(json.dumps(encoder.describe()))
    assert encoder_of(described).describe() == described
    assert encoder_of(TABLE).n_features_out == 3
    assert encoder_of({"kind": "images", "shape": [4, 3]}).shape == (4, 3)


@pytest.mark.parametrize(
    "described",
    [
        None,
        [],
        {},
        {"kind": "sounds"},
        {"kind": []},
        {"kind": "images"},
        {"kind": "images", "shape": [4]},
        {"kind": "images", "shape": [4, 0]},
        {"kind": "images", "shape": [4, 3.0]},
        {"kind": "images", "shape": [4, 3], "more": 1},
        TABLE | {"more": 1},
        TABLE | {"target": 1},
        TABLE | {"drop": "a"},
        TABLE | {"drop": [1]},
        TABLE | {"impute": 1},
        TABLE | {"columns": []},
        TABLE | {"columns": {}},
        TABLE | {"columns": [COLUMN, COLUMN]},
        TABLE | {"columns": [TEXT, COLUMN]},
        TABLE | {"columns": [COLUMN | {"more": 1}]},
        TABLE | {"columns": [COLUMN | {"name": 1}]},
        TABLE | {"columns": [COLUMN | {"fill": 1.0}]},
        TABLE | {"columns": [TEXT | {"categories": []}]},
        TABLE | {"columns": [TEXT | {"categories": ["x", "x"]}]},
        TABLE | {"columns": [TEXT | {"categories": [1]}]},
        TABLE | {"columns": [TEXT | {"categories": "xy"}]},
        TABLE | {"impute": True},
        TABLE | {"impute": True, "columns": [COLUMN | {"fill": "1"}]},
        TABLE | {"impute": True, "columns": [COLUMN | {"fill": float("nan")}]},
        TABLE | {"impute": True, "columns": [TEXT | {"fill": "z"}]},
    ],
)
def test_nothing_else_is_believed(described):
    with pytest.raises(xpnn.FileFormatError, match="damaged"):
        encoder_of(described)


def test_rows_of_another_network_are_refused(frame, tmp_path):
    encoder = TableEncoder("y", impute=True).fit(frame)
    model = xpnn.LogisticRegression(tol=1.0).fit(encoder.transform(frame)[:, 1:], frame["y"])
    save_pipeline(encoder, model, tmp_path / "m.safetensors")
    with pytest.raises(xpnn.FileFormatError, match="rows does not fit"):
        xpnn.load(tmp_path / "m.safetensors")
