"""A network written to a file, and read again."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from .._backends.base import Backend
from ..core.parameters import ravel
from ..files import container
from ..files.networks import KIND, read_network, save
from ..network import Network
from .finding import Finding

REMEDY = "Look whether {folder} has room and works."


def keeping(backend: Backend) -> Iterator[Finding]:
    """Save a network, load it, and count the parameters that have changed."""
    if backend.dtype_name != "float32":
        return
    net = Network([5, 4, 3])
    params = net.init(0)
    with TemporaryDirectory() as folder:
        path = Path(folder, "network.safetensors")
        save(path, net, params)
        loaded, loaded_params = read_network(container.read(path, (KIND,)), backend)
    before, after = (backend.to_numpy(ravel(p, backend.xp)) for p in (params, loaded_params))
    changed = int(np.sum(before != after)) + (loaded != net)
    remedy = REMEDY.format(folder=Path(folder).parent)
    yield Finding("numbers changed by saving and loading", changed, 0, remedy)
