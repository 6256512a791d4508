"""Saved networks: the architecture as plain values, the parameters as named arrays.

`describe` and `network_of` turn a `Network` into a dict and back, `tensors_of` turns parameters
into W1, b1, W2, b2, …. `save` writes a file of both; `check_parameters` checks and `read_network`
reads what is common to every file that holds a network.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from .._backends.base import Backend
from .._backends.host import to_host
from .._typing import Array
from ..core.activations import ACTIVATIONS, Activation
from ..core.losses import LOSSES, Loss
from ..core.parameters import Layer, Params
from ..exceptions import ArgumentTypeError, FileFormatError, XpnnError
from ..network import Network
from ..validation.columns import check_params
from . import container
from .atomic import StrPath
from .plain import shown

KIND = "network"


def save(path: StrPath, net: Network, params: Params) -> None:
    """Save a network and its parameters in one file.

    The file is a safetensors file: the arrays W1, b1, W2, b2, … in the dtype in which they are,
    sizes and names of activations and cost as metadata, no code. It is written beside the old
    one first, so that whatever happens half-way leaves that one whole. The same network and
    parameters give the same bytes.

    Parameters
    ----------
    path : str or path
        By custom it ends in ``.safetensors``.
    net : Network
    params : tuple of Layer
        On any backend, float32 or float64.

    Raises
    ------
    ArgumentTypeError
        If an activation or the loss is a function of your own, which a file cannot hold.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile, xpnn
    >>> from safetensors.numpy import load_file
    >>> net = xpnn.Network([2, 8, 1], hidden="tanh", output="sigmoid")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     xpnn.save(f"{folder}/xor.safetensors", net, net.init(rng=0))
    ...     sorted(load_file(f"{folder}/xor.safetensors"))
    ['W1', 'W2', 'b1', 'b2']
    """
    if not isinstance(net, Network):
        raise ArgumentTypeError(
            "net: expected a Network, as in xpnn.save(path, net, params), found "
            f"{type(net).__name__}; an estimator saves itself: model.save(path)."
        )
    params, _ = check_params(params, net.sizes)
    container.write(path, KIND, {"network": describe(net)}, tensors_of(params))


# ---- the architecture -------------------------------------------------------


def describe(net: Network) -> dict[str, Any]:
    """Return the arguments that make a network, as plain values.

    Raises
    ------
    ArgumentTypeError
        If an activation or the loss is a function of the user's own.

    Examples
    --------
    >>> from xpnn import Network
    >>> from xpnn.files.networks import describe
    >>> describe(Network([2, 1], output="sigmoid"))
    {'sizes': [2, 1], 'hidden': [], 'output': 'sigmoid', 'cost': 'binary_cross_entropy'}
    """
    *hidden, output = activation_names(net)
    loss = _built_in_name("the loss", net.loss, LOSSES)
    return {"sizes": list(net.sizes), "hidden": hidden, "output": output, "cost": loss}


def activation_names(net: Network) -> list[str]:
    """Return the name of each layer's activation, or raise if it is not one of ours."""
    return [
        _built_in_name(f"the activation of layer {l}", g, ACTIVATIONS)
        for l, g in enumerate(net.activations, 1)
    ]


def _built_in_name(role: str, function: Activation | Loss, built_in: Mapping[str, Any]) -> str:
    if built_in.get(function.name) != function:
        raise ArgumentTypeError(
            f"net: {role}, {function.name!r}, is a function of your own, and a file holds names, "
            f"no code; expected one of {', '.join(sorted(built_in))}. To keep this network, keep "
            "your code, and save the arrays in params, for example with numpy.savez."
        )
    return function.name


def network_of(content: Any) -> Network:
    """Return the network that `describe` described.

    Raises
    ------
    FileFormatError
        If the content is not what `describe` returns.
    """
    types = {"sizes": list, "hidden": list, "output": str, "cost": str}
    if not container.has_types(content, types):
        raise FileFormatError(
            f"damaged: expected the {', '.join(types)} of a network, found {shown(content)}."
        )
    try:
        return Network(**content)
    except XpnnError as error:
        raise FileFormatError(
            f"it holds a network that this version of xpnn cannot make: {error}"
        ) from error


# ---- the parameters ---------------------------------------------------------


def tensors_of(params: Params) -> dict[str, Array]:
    """Return parameters of any backend as NumPy arrays W1, b1, W2, b2, …."""
    return {
        f"{symbol}{l}": to_host(array)
        for l, layer in enumerate(params, 1)
        for symbol, array in zip("Wb", layer, strict=True)
    }


def check_parameters(contents: container.Contents) -> None:
    """Raise `FileFormatError` unless a file declares the parameters of the network it describes."""
    net = network_of(contents.content.get("network"))
    for l, (n_prev, n) in enumerate(pairwise(net.sizes), 1):
        for name, shape in ((f"W{l}", (n, n_prev)), (f"b{l}", (n, 1))):
            a = contents.tensors.get(name)
            if a is None or a.shape != shape or a.dtype.kind != "f":
                found = "none" if a is None else f"{a.dtype} of shape {a.shape}"
                raise FileFormatError(
                    f"damaged: expected an array {name!r} of real numbers of shape {shape}, as the "
                    f"sizes of its network want it, found {found}."
                )


def read_network(contents: container.Contents, backend: Backend) -> tuple[Network, Params]:
    """Return a checked file's network, and its parameters on a backend, in its dtype."""
    net = network_of(contents.content["network"])
    with backend.restoring_settings(), backend.current():
        params = tuple(
            Layer(*(backend.asarray(contents.tensors[f"{s}{l}"], backend.dtype) for s in "Wb"))
            for l in range(1, len(net.sizes))
        )
    return net, params
