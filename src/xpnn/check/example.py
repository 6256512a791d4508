"""The training that is repeated on every backend."""

from collections.abc import Sequence

from ..core.parameters import Params
from ..data import moons
from ..network import Network
from ..training.fit import fit
from ..training.history import Callback, History

NET = Network([2, 16, 8, 2], hidden="tanh", output="softmax")
SEED = 7


def trained(epochs: int, callbacks: Sequence[Callback] = ()) -> tuple[Params, History]:
    """Train `NET` on two half moons, on the selected backend."""
    params, history = fit(
        NET,
        NET.init(SEED),
        *moons(200),
        epochs=epochs,
        batch_size=32,
        rng=SEED,
        callbacks=callbacks,
        progress=False,
    )
    check_complete(history)
    return params, history


def check_complete(history: History) -> None:
    """Raise the KeyboardInterrupt that `fit` has made a return of."""
    if history.stopped == "interrupted":
        raise KeyboardInterrupt
