"""`descend`: `fit` as most demonstrations use it, all examples at once and no bar."""

from functools import partial

from ..training.fit import fit

descend = partial(fit, batch_size=None, progress=False)
