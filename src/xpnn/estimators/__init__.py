"""Estimators: networks with the face of scikit-learn.

`MLPClassifier`, `MLPRegressor`   scikit-learn's multi-layer perceptrons on any backend
`LogisticRegression`              logistic and softmax regression by gradient descent
`load`                            what was saved

One example is a row here. Importing this package imports scikit-learn; ``import xpnn`` does not.
"""

from .logistic import LogisticRegression
from .mlp import MLPClassifier, MLPRegressor
from .persistence import load

__all__ = [
    "LogisticRegression",
    "MLPClassifier",
    "MLPRegressor",
    "load",
]
