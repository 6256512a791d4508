"""`MLPClassifier`, scikit-learn's and xpnn's, on the same data with the same random draws."""

import warnings
from functools import partial

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier as SklearnMLPClassifier

from xpnn._backends.selection import resolve
from xpnn.estimators import MLPClassifier


def digits():
    X, y = load_digits(return_X_y=True)
    return np.asarray(X / 16.0, dtype=np.float32), y


def noise(m, dtype=np.float32):
    rng = np.random.default_rng(0)
    return rng.standard_normal((m, 784), dtype=dtype), rng.integers(0, 10, m)


DATA = {
    "digits, 64-64-32-10": (digits, (64, 32), 50),
    "4,000 × 784, 784-256-128-10": (partial(noise, 4_000), (256, 128), 3),
    "60,000 × 784, 784-256-128-10": (partial(noise, 60_000), (256, 128), 1),
}


def classifier(library, hidden, epochs, **settings):
    """Return a model that goes through so many epochs; ``library`` is sklearn or a backend."""
    settings |= {"max_iter": epochs, "tol": 0.0, "n_iter_no_change": epochs, "random_state": 0}
    if library == "sklearn":
        return SklearnMLPClassifier(hidden, **settings)
    return MLPClassifier(hidden, backend=library, **settings)


def fitting(library, name, batch_size, solver):
    """Return a function that fits and returns the cost of each epoch."""
    if library != "sklearn":
        resolve(library, "float32")  # says now, not in the first run, that it is not here
    data, hidden, epochs = DATA[name]
    X, y = data()

    def train():
        model = classifier(library, hidden, epochs, batch_size=batch_size, solver=solver)
        return fitted(model, X, y).loss_curve_

    return train


def fitted(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    assert model.n_iter_ == model.max_iter
    return model
