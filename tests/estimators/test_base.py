"""`network_` and `params_`: from a fitted estimator to its network in the core."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import scale

import xpnn
from xpnn import LogisticRegression, MLPClassifier, MLPRegressor

ALL = (MLPClassifier, MLPRegressor, LogisticRegression)


def fitted(estimator, X, y):
    """Return a model whose gradient is small."""
    if estimator is LogisticRegression:
        return estimator(C=2.0, tol=1e-5).fit(X, y)
    params = {"solver": "lbfgs", "alpha": 0.5, "tol": 1e-5, "max_iter": 2000, "random_state": 0}
    return estimator(hidden_layer_sizes=(5,), activation="tanh", **params).fit(X, y)


def data(estimator):
    """Return rows, targets, and the targets as columns."""
    if estimator is MLPRegressor:
        X, y = load_diabetes(return_X_y=True)
        return scale(X), scale(y), scale(y)[None, :]
    X, y = load_iris(return_X_y=True)
    return scale(X), y, (y == np.arange(3)[:, None]).astype(float)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("estimator", ALL)
def test_a_fitted_model_is_a_network_with_parameters(backend, estimator):
    X, y, _ = data(estimator)
    model = fitted(estimator, X, y).to(backend.spec)
    layers = model.params_
    assert all(backend.same_device(backend.of(a)) for layer in layers for a in layer)
    assert [layer.W.shape for layer in layers] == [a.shape[::-1] for a in model.coefs_]
    with backend.current():
        A = backend.to_numpy(model.network_.forward(layers, X.T)[0])
    found = model.predict(X)[None, :] if estimator is MLPRegressor else model.predict_proba(X).T
    np.testing.assert_allclose(A, found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("estimator", ALL)
def test_the_gradient_of_a_trained_model_is_small(estimator):
    X, y, Y = data(estimator)
    model = fitted(estimator, X, y)
    l2 = 0.5  # alpha, and 1/C
    grads = model.network_.gradients(model.params_, X.T, Y, l2=l2)
    assert max(float(np.abs(g).max()) for layer in grads for g in layer) <= 2e-5
    start = model.network_.init(rng=0)
    assert model.network_.cost(model.params_, X.T, Y, l2=l2) < model.network_.cost(
        start, X.T, Y, l2=l2
    )


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize("name", ["network_", "params_"])
def test_an_unfitted_model_has_none(estimator, name):
    X, y, _ = data(estimator)
    for model in (estimator(), clone(fitted(estimator, X, y))):
        assert not hasattr(model, name)
        with pytest.raises(NotFittedError, match="not fitted yet"):
            getattr(model, name)


@pytest.mark.parametrize("estimator", ALL)
def test_they_belong_to_no_state(estimator):
    X, y, _ = data(estimator)
    model = fitted(estimator, X, y)
    assert isinstance(model.network_, xpnn.Network)
    assert isinstance(model.params_[0], xpnn.Layer)
    assert not {"network_", "params_"} & {*vars(model), *model.__getstate__()}
    assert model._repr_html_()  # shows what is fitted
