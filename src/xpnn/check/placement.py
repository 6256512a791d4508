"""Where arrays lie, and what crosses between host and device."""

from collections.abc import Iterator

from .._backends.audit import READ, TO_DEVICE, TO_HOST, WAIT, Audit, audit
from .._backends.base import Backend
from ..core.parameters import Params
from ..data import moons
from .example import NET, trained
from .finding import Finding

EPOCHS = 4
AWAY = "Try another version of {library}; computations leave the device they were asked for."
REPORT = "Not a fault of this machine: please report it, with what xpnn check --json prints."
COUNTED = (
    ("waits for the device, an epoch", 1, (TO_HOST, READ, WAIT)),  # for the costs
    ("moves to the device, an epoch", 3, (TO_DEVICE,)),  # indices, shares, numbers
)


def placement(backend: Backend) -> Iterator[Finding]:
    """Count the arrays that are elsewhere, and what an epoch of training moves and waits for."""
    if backend.dtype_name != "float32":
        return
    params, few = _audited(1)
    _, many = _audited(1 + EPOCHS)
    arrays = [a for layer in (*NET.init(), *params) for a in layer]
    arrays.append(NET.forward(params, moons()[0])[0])
    away = sum(not type(backend).of(a).same_device(backend) for a in arrays)
    yield Finding("arrays elsewhere", away, 0, AWAY.format(library=backend.name))
    for what, allowed, kinds in COUNTED:
        count = (many.times(*kinds) - few.times(*kinds)) / EPOCHS
        yield Finding(what, count, allowed, REPORT)


def _audited(epochs: int) -> tuple[Params, Audit]:
    """Train one epoch at a time, since a callback looks at each."""
    with audit() as found:
        params, _ = trained(epochs, callbacks=[lambda report: None])
    return params, found
