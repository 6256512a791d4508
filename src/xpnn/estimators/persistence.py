"""Saved estimators: hyperparameters, classes and scores as plain values, parameters as arrays.

Behind an encoder, which turns raw data into rows, they are saved pipelines.
"""

from numbers import Integral
from types import NoneType
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from .._backends.selection import get_backend, resolve_or_float32
from ..exceptions import ArgumentTypeError, FileFormatError
from ..files import container, networks
from ..files.atomic import StrPath
from ..network import Network
from ..preprocessing import ImageEncoder, TableEncoder, encoder_of
from .registry import ESTIMATORS

KIND = "estimator"
PIPELINE = "pipeline"
OF_THIS_MACHINE = ("backend", "callbacks", "checkpoint", "communicator")
CURVES = ("loss_curve_", "validation_scores_")  # saved as arrays
NUMBERS: dict[str, tuple[type, ...]] = {
    "n_iter_": (int,),
    "t_": (int,),
    "_no_improvement_count": (int,),
    "loss_": (float,),
    "best_loss_": (float, NoneType),
    "best_validation_score_": (float, NoneType),
    "loss_curve_": (NoneType,),
    "validation_scores_": (NoneType,),
}
"""What a fitted model has besides classes, names and parameters; its network says the rest."""
OF_LABELS = {"object", "float16", "float32", "int8", "int16", "int32", "uint8", "uint16", "uint32"}
"""Dtypes of labels that Python's own values do not tell."""
PARTS = {"class", "network", "params", "numbers", "features", "classes"}


def save_estimator(model: Any, path: StrPath) -> None:
    """Write a fitted estimator to a file."""
    container.write(path, KIND, *_describe(model))


def save_pipeline(encoder: TableEncoder | ImageEncoder, model: Any, path: StrPath) -> None:
    """Write a fitted estimator to a file, with the encoder that makes its rows."""
    content, tensors = _describe(model)
    container.write(path, PIPELINE, content | {"rows": encoder.describe()}, tensors)


def _describe(model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a fitted estimator as plain values and arrays."""
    if type(model) not in ESTIMATORS.values():
        raise ArgumentTypeError(
            f"model: expected one of {', '.join(ESTIMATORS)}, found the class of your own "
            f"{type(model).__name__}, and a file holds no code; save its network with "
            "xpnn.save, or the whole with joblib."
        )
    tensors = networks.tensors_of(model.params_)
    numbers = {name: getattr(model, name) for name in NUMBERS if hasattr(model, name)}
    for name in CURVES:
        if numbers.get(name) is not None:
            tensors[name] = np.asarray(numbers.pop(name), dtype=np.float64)
    content: dict[str, Any] = {
        "class": type(model).__name__,
        "network": networks.describe(model.network_),
        "params": _plain_params(model),
        "numbers": numbers,
        "features": None,
        "classes": None,
    }
    if hasattr(model, "feature_names_in_"):
        content["features"] = model.feature_names_in_.tolist()
    if is_classifier(model):
        content["classes"] = {
            "labels": model.classes_.tolist(),
            "dtype": str(model.classes_.dtype),
            "multilabel": model._multilabel,
            "sparse": bool(model._label_binarizer.sparse_input_),
        }
    return content, tensors


def load(path: StrPath, backend: str | None = None) -> Any:
    """Read what `save` or ``xpnn train`` wrote.

    Nothing in the file is run. It may have been written on another backend.

    Parameters
    ----------
    path : str or path
    backend : str, optional
        Where the parameters go, as `xpnn.set_backend` takes it; an estimator keeps it as its
        parameter ``backend``. Default: the selected backend.

    Returns
    -------
    MLPClassifier, MLPRegressor or LogisticRegression
        If an estimator was saved.
    sklearn.pipeline.Pipeline
        If ``xpnn train`` made it from a table or from images. It takes what the file of data held:
        a pandas frame with the same columns, or images of bytes of the same size. Its last step is
        the estimator.
    (Network, tuple of Layer)
        If `xpnn.save` wrote them.

    Raises
    ------
    FileFormatError
        If the file is damaged, of another program, or of a newer format.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import tempfile, xpnn
    >>> net = xpnn.Network([2, 8, 1], hidden="tanh", output="sigmoid")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     xpnn.save(f"{folder}/xor.safetensors", net, net.init(rng=0))
    ...     net, params = xpnn.load(f"{folder}/xor.safetensors")
    >>> net
    Network([2, 8, 1], hidden='tanh', output='sigmoid', loss='binary_cross_entropy')
    """
    kinds = (KIND, PIPELINE, networks.KIND)
    contents = container.read(path, kinds, networks.check_parameters)
    with container.naming(path):
        wide = any(a.dtype == np.float64 for name, a in contents.tensors.items() if name == "W1")
        target = resolve_or_float32(backend or get_backend().spec, "float64" if wide else "float32")
        net, params = networks.read_network(contents, target)
        if contents.kind == networks.KIND:
            return net, params
        encoder = None
        if contents.kind == PIPELINE:
            encoder = encoder_of(contents.content.pop("rows", None))
        try:
            container.expect("rows", encoder is None or encoder.n_features_out == net.sizes[0])
            model = _estimator(contents, net)
            with target.current():
                model._keep(params, target)
            same = networks.describe(model.network_) == networks.describe(net)
            container.expect("network", same)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            reason = f"damaged: it does not describe an estimator ({error})."
            raise FileFormatError(reason) from error
        if backend is not None:
            model.set_params(backend=backend)
        return model if encoder is None else Pipeline([("encoder", encoder), ("model", model)])


def _plain_params(model: Any) -> dict[str, Any]:
    """Return the hyperparameters that a file can hold and another machine can use."""
    params: dict[str, Any] = model.get_params(deep=False)
    for name in OF_THIS_MACHINE:
        del params[name]
    if not isinstance(params.get("random_state"), Integral | None):
        del params["random_state"]
    if not isinstance(params.get("solver", ""), str):
        del params["solver"]
    if "activation" in params:
        params["activation"] = getattr(params["activation"], "name", params["activation"])
        sizes = params["hidden_layer_sizes"]
        params["hidden_layer_sizes"] = list(sizes) if hasattr(sizes, "__iter__") else sizes
    return params


def _estimator(contents: container.Contents, net: Network) -> Any:
    """Return the estimator of a file, still without its parameters; trust nothing in it."""
    content = contents.content
    container.expect("content", content.keys() == PARTS)
    model: Any = ESTIMATORS[content["class"]]()
    classifies = is_classifier(model)
    outputs = {"sigmoid", "softmax"} if classifies else {"identity", "exp"}
    container.expect("network", net.output in outputs)
    _set_params(model, content["params"])
    model._set_network(net)
    numbers = content["numbers"]
    container.expect("numbers", numbers.keys() >= model._counted)
    for name, value in numbers.items():
        negative = isinstance(value, int) and value < 0
        container.expect(name, type(value) in NUMBERS[name] and not negative)
        setattr(model, name, value)
    for name in CURVES:
        if name in contents.tensors:
            curve = contents.tensors[name]
            container.expect(name, curve.ndim == 1 and name not in numbers)
            setattr(model, name, curve.tolist())
    features = content["features"]
    if features is not None:
        strings = isinstance(features, list) and set(map(type, features)) == {str}
        container.expect("features", strings and len(features) == net.sizes[0])
        model.feature_names_in_ = np.asarray(features, dtype=object)
    if classifies:
        _set_classes(model, content["classes"], net)
    return model


def _set_params(model: Any, params: dict[str, Any]) -> None:
    optional = {"random_state", "solver"}
    container.expect("params", params.keys() | optional == _plain_params(model).keys() | optional)
    if "hidden_layer_sizes" in params:
        sizes = params["hidden_layer_sizes"]
        listed = sizes if isinstance(sizes, list) else [sizes]
        container.expect("hidden_layer_sizes", all(type(n) is int and n > 0 for n in listed))
        params["hidden_layer_sizes"] = tuple(sizes) if isinstance(sizes, list) else sizes
    model.set_params(**params)._validate_params()


def _set_classes(model: Any, classes: dict[str, Any], net: Network) -> None:
    labels = np.asarray(classes["labels"])
    if str(classes["dtype"]) in OF_LABELS:
        labels = labels.astype(classes["dtype"])
    container.expect("dtype", str(labels.dtype) == classes["dtype"])
    multilabel, sparse = classes["multilabel"], classes["sparse"]
    n = net.sizes[-1]
    container.expect("labels", labels.ndim == 1 and labels.dtype.kind in "biufUO")
    container.expect(
        "labels", labels.dtype.kind != "O" or set(map(type, classes["labels"])) == {str}
    )
    container.expect("labels", sorted(set(labels.tolist())) == labels.tolist())
    container.expect("labels", len(labels) in ((1, 2) if n == 1 else (n,)))
    container.expect("multilabel", multilabel is (net.output == "sigmoid" and n > 1))
    container.expect("sparse", isinstance(sparse, bool))
    model._set_classes(labels, multilabel=multilabel, sparse=sparse)
