"""Saved estimators: hyperparameters, classes and scores as plain values, parameters as arrays."""

from numbers import Integral
from typing import Any

import numpy as np

from ..backends.selection import get_backend, widest
from ..errors import FileFormatError
from ..files import container, networks
from ..files.atomic import StrPath
from .base import NetworkEstimator
from .classifier import NetworkClassifier
from .convert import FITTED, set_classes
from .logistic import LogisticRegression
from .mlp import MLPClassifier, MLPRegressor

KIND = "estimator"
CLASSES: dict[str, type[NetworkEstimator]] = {
    found.__name__: found for found in (MLPClassifier, MLPRegressor, LogisticRegression)
}
CURVES = ("loss_curve_", "validation_scores_")  # saved as arrays
OF_THIS_MACHINE = ("backend", "device", "callbacks", "checkpoint")


def save_estimator(model: NetworkEstimator, path: StrPath) -> None:
    """Write a fitted estimator to a file."""
    net = model._network()
    tensors = networks.tensors_of(model._params(model._place()))
    curves = {name: getattr(model, name, None) for name in CURVES}
    tensors |= {
        name: np.asarray(curve, dtype=np.float64)
        for name, curve in curves.items()
        if curve is not None
    }
    fitted = {name: getattr(model, name) for name in FITTED if hasattr(model, name)}
    content: dict[str, Any] = {
        "class": type(model).__name__,
        "network": networks.describe(net),
        "params": _plain_params(model),
        "fitted": {name: value for name, value in fitted.items() if name not in CURVES},
    }
    if hasattr(model, "feature_names_in_"):
        content["fitted"]["feature_names_in_"] = model.feature_names_in_.tolist()
    if isinstance(model, NetworkClassifier):
        content["classes"] = model.classes_.tolist()
        content["classes_dtype"] = str(model.classes_.dtype)
        content["multilabel"] = model._multilabel
    container.write(path, KIND, content, tensors)


def load(path: StrPath, backend: str | None = None) -> Any:
    """Read what `save` wrote: an estimator, or a network with its parameters.

    Nothing in the file is run. It may have been written on another backend.

    Parameters
    ----------
    path : str or path
    backend : str, optional
        Where the parameters go, as `xpnn.set_backend` takes it; an estimator keeps it as its
        parameter ``backend``. Default: the selected backend.

    Returns
    -------
    MLPClassifier, MLPRegressor or LogisticRegression; or (Network, tuple of Layer)
        In the dtype of the file.

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
    Network([2, 8, 1], hidden='tanh', output='sigmoid', cost='binary_cross_entropy')
    """
    contents = container.read(path, (KIND, networks.KIND))
    with container.naming(path):
        dtype = str(contents.tensors["W1"].dtype) if "W1" in contents.tensors else "float32"
        target = widest(backend or get_backend().spec, dtype)
        net, params = networks.read_network(contents, target)
        if contents.kind == networks.KIND:
            return net, params
        try:
            model = _estimator(contents)
            with target.current():
                model._keep(params, target)
            same = networks.describe(model._network()) == networks.describe(net)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise FileFormatError(
                f"damaged: it does not describe an estimator ({error})."
            ) from error
        if not same:
            raise FileFormatError("damaged: its network is not that of its estimator.")
        return model if backend is None else model.set_params(backend=backend)


def _plain_params(model: NetworkEstimator) -> dict[str, Any]:
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


def _estimator(contents: container.Contents) -> Any:
    """Return the estimator of a file, still without its parameters."""
    content = contents.content
    model: Any = CLASSES[content["class"]]()
    params = content["params"]
    if isinstance(params.get("hidden_layer_sizes"), list):
        params["hidden_layer_sizes"] = tuple(params["hidden_layer_sizes"])
    model.set_params(**params)._validate_params()
    for name in FITTED:
        if name in content["fitted"]:
            setattr(model, name, content["fitted"][name])
    if "feature_names_in_" in content["fitted"]:
        names = content["fitted"]["feature_names_in_"]
        model.feature_names_in_ = np.asarray(names, dtype=object)
    for name in CURVES:
        if name in contents.tensors:
            setattr(model, name, contents.tensors[name].tolist())
    if isinstance(model, NetworkClassifier):
        classes = np.asarray(content["classes"], dtype=content["classes_dtype"])
        set_classes(model, classes, multilabel=content["multilabel"])
    return model
