"""`Identity`: what tells a training from others. A checkpoint goes on only with the same."""

import sys
from collections.abc import Iterator, Mapping
from hashlib import sha256
from math import isclose
from typing import Any, NamedTuple

import numpy as np

from .batches import Shuffle
from .functions import describe, own_functions
from .stopping import Stopping
from .trainer import Trainer


class Identity(NamedTuple):
    """What must be the same in a training that goes on."""

    settings: Mapping[str, Any]
    """the network, the optimiser and how the data are gone through, as plain values"""
    origin: Mapping[str, Any]
    """digests of the parameters to start from and of functions that are not the library's"""
    sample: Mapping[str, Any]
    """some numbers of X, Y and the weights"""


def settings(
    trainer: Trainer, shuffle: Shuffle, stopping: Stopping, *, validation: bool
) -> dict[str, Any]:
    """Return what is asked of a training, as plain values."""
    _, rng = shuffle.state
    return {
        "sizes": list(trainer.net.sizes),
        "activations": [g.name for g in trainer.net.activations],
        "cost": trainer.net.loss.name,
        "optimizer": describe(trainer.optimizer),
        "l2 (alpha)": trainer.l2,
        "examples": trainer.plan.m,
        "batch_size": trainer.plan.size,
        "dtype": trainer.backend.dtype_name,
        "shuffle (rng)": rng and [type(shuffle.rng).__name__, rng["bit_generator"]],
        "rng (random_state)": shuffle.seed,
        "tol, n_iter_no_change": [stopping.tol, stopping.patience] if stopping.wanted else None,
        "validation": validation,
    }


def origin(trainer: Trainer, theta: Any) -> dict[str, Any]:
    """Return digests of θ, a host array or None, and of functions that are not the library's.

    Files of earlier versions hold none. Another version of Python compiles other code.
    """
    if theta is not None:
        theta = sha256(theta.astype(theta.dtype.newbyteorder("<")).tobytes()).hexdigest()
    return {
        "start": theta,
        "own": own_functions(trainer.net, trainer.optimizer),
        "python": sys.implementation.cache_tag,
    }


def differences(there: Identity, here: Identity) -> Iterator[str]:
    """Yield how the training in a file differs from this one."""
    for name, value in here.settings.items():
        if not _same(there.settings.get(name), value):
            yield f"there {_word(name)} is {there.settings.get(name)!r}, here {value!r}"
    for name, numbers in here.sample.items():
        if not _same_data(there.sample.get(name), numbers, exactly=name != "X"):
            yield f"it was made with another {name}"
    yield from _other_origin(there.origin, here.origin)


def _other_origin(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    same_python = there.get("python") == here["python"]
    theirs, own = there.get("own", here["own"]), here["own"]
    for name in {**own, **theirs}:
        if (theirs.get(name) is None) != (own.get(name) is None) or (
            same_python and theirs[name] != own[name]
        ):
            yield f"its {_word(name)} is another function"
    if len({there.get("start"), here["start"]} - {None}) > 1:
        yield (
            "it was started from other parameters; pass the same again, such as net.init(rng=0): "
            "the trained ones are in the file"
        )


def _word(key: str) -> str:
    """Return a key of the file as messages say it: a file calls the loss cost."""
    return "loss" + key.removeprefix("cost") if key.startswith("cost") else key


def _same_data(found: Any, here: Any, *, exactly: bool) -> bool:
    """Whether two samples agree; X may have been taken from its mean on another backend."""
    if found is None or found.shape != here.shape:
        return False
    scale = np.abs(here).max()
    return bool(np.allclose(found, here, rtol=1e-4, atol=0.0 if exactly else 1e-4 * scale))


def _same(found: Any, here: Any) -> bool:
    if isinstance(found, list) and isinstance(here, list) and len(found) == len(here):
        return all(map(_same, found, here))
    if isinstance(found, float) and isinstance(here, float):
        return isclose(found, here, rel_tol=1e-5)
    return bool(found == here)
