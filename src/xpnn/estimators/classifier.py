"""`NetworkClassifier`: class labels of any type as the 0s and 1s a network learns, and back."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer

from .._backends.base import Backend
from .._typing import Array, Namespace
from ..validation.arrays import on_host
from ..validation.rows import on_home, send
from ..validation.weights import score_weights
from .base import NetworkEstimator


class NetworkClassifier(ClassifierMixin, NetworkEstimator):
    """What the classifiers share: the output of a fitted network as labels and probabilities.

    One sigmoid unit is the probability of the second of two classes, softmax has a unit a
    class, and several sigmoid units are the labels that an example may have at once.
    """

    classes_: Any
    _label_binarizer: LabelBinarizer

    def predict(self, X: Any) -> Any:
        """Predict the class of each row.

        Parameters
        ----------
        X : array, sparse matrix or frame, shape (m, n_features)

        Returns
        -------
        array, shape (m,), or (m, n_classes) of 0s and 1s for multi-label
            In the library X came from; labels that are not numbers are a NumPy array.
        """
        A, backend, home = self._forward(X, "predict")
        with backend.current():
            indices = send(self._class_indices(A, backend), backend, home)
        return self._labels(indices, home)

    def predict_proba(self, X: Any) -> Any:
        """Predict the probability of each class, in the order of ``classes_``.

        Parameters
        ----------
        X : array, sparse matrix or frame, shape (m, n_features)

        Returns
        -------
        array, shape (m, n_classes)
            In the library X came from.
        """
        return self._of_probabilities(X, "predict_proba", lambda P, xp: P)

    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithm of `predict_proba`.

        Parameters
        ----------
        X : array, sparse matrix or frame, shape (m, n_features)

        Returns
        -------
        array, shape (m, n_classes)
        """
        return self._of_probabilities(X, "predict_log_proba", lambda P, xp: xp.log(P))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of rows predicted right; of multi-label rows, all labels right.

        Parameters
        ----------
        X : array, sparse matrix or frame, shape (m, n_features)
        y : array, shape (m,) or (m, n_classes)
        sample_weight : array, shape (m,), optional
        """
        predicted = on_host(self.predict(X))
        s = score_weights(sample_weight)
        return float(accuracy_score(on_host(y), predicted, sample_weight=s))

    def _onnx_labels(self) -> dict[str, Any]:
        return {"classes": self.classes_, "multilabel": self._multilabel}

    def _of_probabilities(self, X: Any, method: str, f: Callable[[Array, Namespace], Array]) -> Any:
        P, backend, home = self._forward(X, method)
        xp = backend.xp
        with backend.current():
            if P.shape[1] == 1:
                P = xp.concat((1.0 - P, P), axis=1)
            return send(f(P, xp), backend, home)

    def _set_classes(self, classes: Any, *, multilabel: bool, sparse: bool = False) -> None:
        """Set the classes, in the order of the outputs, and whether predictions are sparse."""
        self.classes_ = classes
        n = len(classes)
        known = np.zeros((2, n), dtype=int) if multilabel else classes
        self._label_binarizer = LabelBinarizer().fit(known)
        self._label_binarizer.sparse_input_ = sparse

    @property
    def _multilabel(self) -> bool:
        return bool(self._label_binarizer.y_type_.startswith("multilabel"))

    def _one_hot(self, y: Any) -> Any:
        """Return checked labels as truth values, shape (m, n_outputs)."""
        if self._multilabel:
            return self._label_binarizer.transform(y).astype(bool)
        classes = self.classes_ if len(self.classes_) > 2 else self.classes_[1:2]
        Y = y[:, None] == classes
        return Y if Y.shape[1] else np.zeros((len(y), 1), dtype=bool)

    def _class_indices(self, A: Array, backend: Backend) -> Array:
        """Return the index of each row's class, shape (m,); 0s and 1s, shape (m, K), for labels."""
        xp = backend.xp
        if self._multilabel:
            return xp.astype(A > 0.5, backend.index_dtype)
        if A.shape[1] > 1:
            return xp.argmax(A, axis=1)
        likely = xp.astype(A[:, 0] > 0.5, backend.index_dtype)
        return likely if len(self.classes_) > 1 else xp.zeros_like(likely)

    def _labels(self, indices: Any, home: Backend | None) -> Any:
        """Return the labels with these indices, where the indices are if labels can be there."""
        if self._multilabel:
            return self._sparse(indices) if self._label_binarizer.sparse_input_ else indices
        if home is not None and self.classes_.dtype.kind in "biuf":
            with home.current():
                floating = self.classes_.dtype.kind == "f"
                classes = on_home(self.classes_, "float64" if floating else None, home)
                return home.xp.take(classes, home.asarray(indices, home.index_dtype))
        return self.classes_[on_host(indices)]

    @staticmethod
    def _sparse(indices: Any) -> Any:
        from scipy.sparse import csr_matrix

        return csr_matrix(on_host(indices))
