"""`NetworkEstimator`: what every estimator is once it is fitted: a network that takes rows.

A subclass says which `Network` its attributes stand for (`_network`) and holds the parameters
as scikit-learn does, ``coefs_`` and ``intercepts_``. Here they meet X: where the equations run,
and how the results come back.
"""

import copy
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from .._backends.base import Backend
from .._backends.host import device_backend, to_host
from .._backends.selection import common_backend, resolve, resolve_or_float32
from .._typing import Array
from ..core import propagation
from ..core.activations import Activation
from ..core.parameters import Layer, Params, fold_standardization, ravel
from ..distributed.processes import Communicator, active_comm
from ..exceptions import ArgumentError, ArgumentTypeError, BackendError
from ..files.atomic import StrPath
from ..network import Network
from ..validation.rows import move_rows, predict_rows, spec_of, where
from .persistence import save_estimator
from .registry import ESTIMATORS

CHUNK = 16_384
"""Rows that go through the network at once: the activations of more would not fit a cache."""


class NetworkEstimator(BaseEstimator):
    """A scikit-learn estimator that is a `Network` with its parameters."""

    coefs_: list[Array]
    intercepts_: list[Array]
    n_features_in_: int
    n_iter_: int
    _counterpart: ClassVar[type]
    """scikit-learn's class of the same name."""
    _counted: ClassVar[set[str]] = {"n_iter_"}
    """The attributes of every fitted model that count from 0."""

    def __init_subclass__(cls, counterpart: type | None = None, **kwargs: Any) -> None:
        """Register an estimator that scikit-learn has too."""
        super().__init_subclass__(**kwargs)
        if counterpart is not None:
            cls._counterpart = counterpart
            ESTIMATORS[cls.__name__] = cls

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = True
        return tags

    def _validate_params(self) -> None:
        """Check the hyperparameters, on several processes on all of them."""
        own = getattr(self, "communicator", None)
        with active_comm(own if isinstance(own, Communicator) else None).on_all():
            super()._validate_params()

    # ---- a subclass says ----------------------------------------------------

    def _network(self) -> Network:
        """Return the network that the fitted attributes describe."""
        raise NotImplementedError

    def _set_network(self, net: Network) -> None:
        """Set the fitted attributes that describe the network."""
        self.n_features_in_ = net.sizes[0]

    def _start_counting(self) -> None:
        """Set the attributes that tell of a training to those of one that has not begun."""
        self.n_iter_ = 0

    # ---- parameters ---------------------------------------------------------

    @property
    def network_(self) -> Network:
        """The network that the fitted model is."""
        check_is_fitted(self)
        return self._network()

    @property
    def params_(self) -> Params:
        """The parameters as `network_` takes them, a tuple of `Layer` on the model's backend."""
        check_is_fitted(self)
        backend = self._params_backend()
        with backend.current():
            return self._params(backend)

    def _params_backend(self) -> Backend:
        """Return where the parameters are."""
        return common_backend(
            {f"coefs_[{i}]": a for i, a in enumerate(self.coefs_)}
            | {f"intercepts_[{i}]": a for i, a in enumerate(self.intercepts_)}
        )

    def _params(self, backend: Backend) -> Params:
        """Return the parameters as layers on a backend."""
        return tuple(
            Layer(
                backend.asarray(coef, backend.dtype).T,
                backend.asarray(intercept, backend.dtype)[:, None],
            )
            for coef, intercept in zip(self.coefs_, self.intercepts_, strict=True)
        )

    def _theta(self, backend: Backend) -> Array:
        """Return θ on a backend, put together where the parameters are: one array moves."""
        here = self._params_backend()
        with here.current():
            theta = ravel(self._params(here), here.xp)
        return backend.asarray(theta, backend.dtype)

    def _keep(self, params: Params, backend: Backend) -> None:
        """Hold the parameters as scikit-learn does."""
        self.coefs_, self.intercepts_ = _turning(backend)(params)

    def to(self, backend: str) -> Self:
        """Move a fitted estimator to another library or device, where it then stays.

        Where the device, or JAX as it is set, has no float64, it becomes float32.

        Parameters
        ----------
        backend : str
            As `xpnn.set_backend` takes it: ``"torch:cuda"``. Becomes the parameter ``backend``.

        Returns
        -------
        self

        Examples
        --------
        >>> import xpnn
        >>> model = xpnn.LogisticRegression().fit([[0.0], [1.0]], ["no", "yes"])
        >>> model.to("array_api_strict").predict([[2.0]])
        array(['yes'], dtype='<U3')
        """
        check_is_fitted(self)
        target = resolve_or_float32(backend, self._params_backend().dtype_name)
        with target.current():
            for series in (self.coefs_, self.intercepts_):
                series[:] = [target.asarray(a, target.dtype) for a in series]
            solver = getattr(self, "_optimizer", None)
            if solver is not None and solver.state is not None:
                solver.state = tuple(target.asarray(a, target.dtype) for a in solver.state)
        self.set_params(backend=backend)
        return self

    def fold_scaler(self, scaler: Any) -> Self:
        """Return a model of raw features: the scaler's work moves into the first layer.

        W′ = W/σ and b′ = b − W′μ, exact but for rounding. What is saved then needs no scaler
        beside it.

        Parameters
        ----------
        scaler : sklearn.preprocessing.StandardScaler
            Fitted; this model was fitted on what it returns.

        Returns
        -------
        a fitted estimator

        Raises
        ------
        ArgumentTypeError, ArgumentError
            If it is no StandardScaler, or one of other features.

        Examples
        --------
        >>> import xpnn
        >>> from sklearn.datasets import load_wine
        >>> from sklearn.preprocessing import StandardScaler
        >>> X, y = load_wine(return_X_y=True)
        >>> scaler = StandardScaler().fit(X)
        >>> model = xpnn.LogisticRegression().fit(scaler.transform(X), y)
        >>> model.score(scaler.transform(X), y), model.fold_scaler(scaler).score(X, y)
        (1.0, 1.0)
        """
        check_is_fitted(self)
        mu, sigma = moments(scaler, self.n_features_in_)
        wide = resolve("numpy", "float64")  # the difference b − W′μ loses digits
        folded = self._with(fold_standardization(self._params(wide), mu, sigma))
        if hasattr(scaler, "feature_names_in_"):
            folded.feature_names_in_ = scaler.feature_names_in_
        return folded

    def _with(self, params: Params) -> Self:
        """Return a copy with other parameters, given on the host, where this one has its own."""
        backend = self._params_backend()
        model = copy.deepcopy(self, {id(self.callbacks): self.callbacks})  # they may hold files
        model.__dict__.pop("_optimizer", None)  # its moments are those of other weights
        with backend.current():
            moved = (Layer(*(backend.asarray(a, backend.dtype) for a in l)) for l in params)
            model._keep(tuple(moved), backend)
        return model

    # ---- elsewhere ----------------------------------------------------------

    def save(self, path: StrPath) -> None:
        """Save the fitted model in one file, for `xpnn.load`.

        A safetensors file without code: the parameters as arrays, the rest (classes, feature
        names, hyperparameters, scores) as metadata, with a SHA-256 of each array. It is written
        atomically, and the same model gives the same bytes. Not kept: ``backend``,
        ``callbacks``, ``checkpoint`` and ``communicator``, which are this machine's, a
        ``random_state`` or ``solver`` that is an object, and the state of the optimiser.

        Parameters
        ----------
        path : str or path
            By custom it ends in ``.safetensors``.

        Raises
        ------
        ArgumentTypeError
            If the activation is a function of your own, which a file cannot hold.

        Examples
        --------
        >>> import tempfile, xpnn
        >>> model = xpnn.LogisticRegression().fit([[0.0], [1.0]], ["no", "yes"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/m.safetensors")
        ...     loaded = xpnn.load(f"{folder}/m.safetensors")
        >>> loaded.predict([[2.0]])
        array(['yes'], dtype='<U3')
        """
        check_is_fitted(self)
        save_estimator(self, path)

    def to_onnx(self, path: StrPath) -> None:
        """Export the fitted model to ONNX: float32, rows in.

        A classifier has the outputs ``probabilities``, shape (m, n_classes), and ``label``, a
        regressor ``Y``, shape (m, n_outputs). Needs ``pip install 'xpnn[onnx]'``.

        Parameters
        ----------
        path : str or path
            By custom it ends in ``.onnx``.
        """
        from ..interop.onnx import write_onnx

        write_onnx(path, self.network_, self.params_, **self._onnx_labels())

    def _onnx_labels(self) -> dict[str, Any]:
        return {}

    def to_torch(self) -> Any:
        """Return the fitted model as a ``torch.nn.Sequential``, the output activation included.

        On the CPU, in evaluation mode, in the dtype of the model, with the same weights: a
        classifier returns probabilities (one column for two classes), not labels.
        """
        from ..files.networks import activation_names
        from ..interop.torch import to_sequential

        return to_sequential(activation_names(self.network_), self.params_)

    def to_sklearn(self) -> Any:
        """Return the fitted model as scikit-learn's estimator of the same name, weights exact.

        Raises
        ------
        ArgumentError
            If scikit-learn does not have its activation.
        """
        from ..interop.sklearn import to_sklearn

        check_is_fitted(self)
        return to_sklearn(self)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the device behind: a pickle holds host arrays."""
        state: dict[str, Any] = copy.copy(super().__getstate__())
        for name in ("coefs_", "intercepts_"):
            if name in state:
                state[name] = [to_host(a) for a in state[name]]
        state.pop("_fitted_on", None)
        return state

    # ---- forward ------------------------------------------------------------

    def _forward(
        self, X: Any, method: str, activations: tuple[Activation, ...] | None = None
    ) -> tuple[Array, Backend, Backend | None]:
        """Return A[L] as rows, shape (m, n_y), the backend it is on, and where X came from."""
        check_is_fitted(self)
        home = device_backend(X)
        backend = self._compute_on(home, method)
        X = predict_rows(self, X)
        with backend.current(), backend.no_grad():
            X, params = move_rows(X, backend), self._params(backend)
            A = outputs(X, params, activations or self._network().activations, backend)
            return A, backend, home

    def _compute_on(self, home: Backend | None, method: str) -> Backend:
        """Return where X meets the parameters: ``backend=``, else where they are, else with X."""
        here = self._params_backend()
        if self.backend is not None:
            try:
                return where(self, home, here.dtype_name)
            except BackendError as error:
                raise BackendError(f"{error} Or move the model: model.to('numpy').") from error
        fitted_on, found = getattr(self, "_fitted_on", None), spec_of(home)
        if fitted_on not in {None, found} and get_config()["array_api_dispatch"]:
            raise ArgumentError(
                f"Inputs passed to {type(self).__name__}.{method}() must use the same namespace "
                f"and the same device as those passed to fit(): expected {fitted_on}, found "
                f"{found}. Move X, or the model with model.to({found!r})."
            )
        if home is None or here.same_device(home):
            return here
        if here.name == "numpy":
            return resolve_or_float32(home.spec, here.dtype_name)
        raise ArgumentTypeError(
            f"X is on {home.spec}, but the model on {here.spec}: move X, or the model with "
            f"model.to({home.spec!r})."
        )


@lru_cache(maxsize=64)
def _turning(backend: Backend) -> Callable[[Params], tuple[list[Array], list[Array]]]:
    """Return the function layers -> coefs, intercepts; compiled where that is done.

    They are arrays of their own in C order.
    """
    xp = backend.xp

    def turn(params: Params) -> tuple[list[Array], list[Array]]:
        coefs = [xp.asarray(backend.contiguous(W.T), copy=True) for W, _ in params]
        return coefs, [xp.asarray(b[:, 0], copy=True) for _, b in params]

    return backend.compile_like_steps(turn)


def moments(scaler: Any, n: int) -> tuple[Array, Array]:
    """Return μ and σ of a fitted StandardScaler of n columns, shapes (n, 1), or raise."""
    if not isinstance(scaler, StandardScaler):
        raise ArgumentTypeError(
            f"scaler: expected a fitted StandardScaler, found {type(scaler).__name__}."
        )
    check_is_fitted(scaler)
    if scaler.n_features_in_ != n:
        raise ArgumentError(
            f"scaler: expected one of {n} columns, as the model has, found {scaler.n_features_in_}."
        )
    mu = np.zeros(n) if scaler.mean_ is None or not scaler.with_mean else scaler.mean_
    sigma = np.ones(n) if scaler.scale_ is None else scaler.scale_
    return np.reshape(mu, (n, 1)).astype(np.float64), np.reshape(sigma, (n, 1)).astype(np.float64)


def outputs(
    X: Array, params: Params, activations: tuple[Activation, ...], backend: Backend
) -> Array:
    """Return A[L] as rows for checked rows on the backend, some at a time."""
    xp = backend.xp
    rows = [propagation.forward(params, x.T, activations, xp)[0].T for x in _chunks(X)]
    return rows[0] if len(rows) == 1 else xp.concat(rows)


def _chunks(X: Array) -> Iterator[Array]:
    m = X.shape[0]
    if m <= CHUNK:
        yield X
    else:
        for start in range(0, m, CHUNK):
            yield X[start : min(start + CHUNK, m), :]
