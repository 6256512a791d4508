"""PyTorch modules: they compute what the network does, with exactly its weights, both ways."""

import copy
import pickle
import sys

import numpy as np
import pytest

import xpnn
from tests.helpers import read_only, to_numpy
from xpnn.exceptions import MissingLibraryError
from xpnn.interop.torch import from_sequential, to_sequential

torch = pytest.importorskip("torch")
nn = torch.nn
prune = pytest.importorskip("torch.nn.utils.prune")

X = read_only(np.random.default_rng(5).standard_normal((4, 7)))
NETWORKS = {
    "logistic": ([4, 1], [], "sigmoid"),
    "softmax": ([4, 5, 3], ["relu"], "softmax"),
    "regression": ([4, 6, 5, 2], ["tanh", "leaky_relu"], "identity"),
    "linear-hidden": ([4, 3, 2], ["identity"], "tanh"),
    "sigmoid-relu": ([4, 3, 2], ["sigmoid"], "relu"),
    "leaky-output": ([4, 3, 2], ["relu"], "leaky_relu"),
}
KINDS = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "softmax": nn.Softmax,
}


def network(sizes, hidden, output):
    cost = "categorical_cross_entropy" if output == "softmax" else None
    if output not in ("softmax", "sigmoid"):
        cost = "squared_error"
    return xpnn.Network(sizes, hidden, output, cost)


def names(net):
    return [g.name for g in net.activations]


def parameters(net, backend, rng):
    """Weights and biases, none of them 0."""
    return tuple(
        xpnn.Layer(W, backend.asarray(rng.standard_normal(tuple(b.shape)), backend.dtype))
        for W, b in net.init(rng=3)
    )


def outputs(sequential, dtype):
    with torch.no_grad():
        return sequential(torch.tensor(X.T.astype(dtype))).numpy().T


def check_forward(net, params, backend, rng, tolerance):
    sequential = to_sequential(names(net), params)
    A, _ = net.forward(params, X)
    actual = outputs(sequential, backend.dtype_name)
    assert actual.dtype == backend.dtype_name
    np.testing.assert_allclose(actual, to_numpy(backend, A), rtol=tolerance, atol=tolerance)


# ---- to modules ------------------------------------------------------------------------------


@pytest.mark.slow("jax")
@pytest.mark.parametrize("shape", NETWORKS.values(), ids=NETWORKS)
def test_modules_compute_what_the_network_does_in_float32(backend, rng, shape):
    net = network(*shape)
    # sums of up to 6 terms of size 1, in another order: a few times 2**-24
    check_forward(net, parameters(net, backend, rng), backend, rng, 2e-6)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("shape", NETWORKS.values(), ids=NETWORKS)
def test_modules_compute_what_the_network_does_in_float64(backend64, rng, shape):
    net = network(*shape)
    check_forward(net, parameters(net, backend64, rng), backend64, rng, 1e-14)


@pytest.mark.parametrize("shape", NETWORKS.values(), ids=NETWORKS)
def test_modules_are_linears_with_the_weights_and_activations(backend, rng, shape):
    net = network(*shape)
    params = parameters(net, backend, rng)
    sequential = to_sequential(names(net), params)
    linears = [module for module in sequential if isinstance(module, nn.Linear)]
    for module, (W, b) in zip(linears, to_numpy(backend, params), strict=True):
        assert (module.out_features, module.in_features) == W.shape
        np.testing.assert_array_equal(module.weight.detach().numpy(), W)
        np.testing.assert_array_equal(module.bias.detach().numpy(), b[:, 0])
    others = [type(module) for module in sequential if not isinstance(module, nn.Linear)]
    assert others == [KINDS[name] for name in names(net) if name != "identity"]
    assert not any(module.training for module in sequential.modules())
    assert all(p.device.type == "cpu" and p.requires_grad for p in sequential.parameters())


def test_weights_are_copies_and_may_be_any_view():
    W = read_only(X[:3, ::-1], "float64")[:, ::-2]
    before = W.copy()
    sequential = to_sequential(["relu"], (xpnn.Layer(W, read_only([[1.0], [2.0], [3.0]])),))
    with torch.no_grad():
        sequential[0].weight.zero_()
    np.testing.assert_array_equal(W, before)


def test_modules_can_be_pickled_copied_and_trained():
    net = network(*NETWORKS["softmax"])
    sequential = to_sequential(names(net), net.init())
    for same in (pickle.loads(pickle.dumps(sequential)), copy.deepcopy(sequential)):
        np.testing.assert_array_equal(outputs(same, "float32"), outputs(sequential, "float32"))
    sequential(torch.tensor(X.T.astype("float32")))[:, 0].sum().backward()
    assert all(p.grad is not None for p in sequential.parameters())


def test_torch_random_numbers_are_left_alone():
    state = torch.random.get_rng_state()
    to_sequential(["relu", "sigmoid"], network(*NETWORKS["softmax"]).init())
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("name", ["exp", "silu"])
def test_an_activation_without_a_module_is_refused(name):
    params = xpnn.Network([4, 3, 1], output="sigmoid").init()
    with pytest.raises(xpnn.ArgumentError, match=rf"^layer 2: expected .*relu.*, found '{name}'"):
        to_sequential(["relu", name], params)


def test_torch_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingLibraryError, match=r"needs torch.*xpnn\[torch\]"):
        to_sequential(["relu"], xpnn.Network([4, 3]).init())


# ---- from modules ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", NETWORKS.values(), ids=NETWORKS)
def test_there_and_back(backend, rng, shape):
    net = network(*shape)
    params = parameters(net, backend, rng)
    sizes, activations, back = from_sequential(to_sequential(names(net), params))
    assert sizes == net.sizes
    assert activations == tuple(names(net))
    for actual, expected in zip(back, to_numpy(backend, params), strict=True):
        for a, e in zip(actual, expected, strict=True):
            assert type(a) is np.ndarray
            assert a.dtype == e.dtype
            np.testing.assert_array_equal(a, e)


FLATTENED = {
    "plain": (lambda: [nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)], ("relu", "identity")),
    "two-linears": (lambda: [nn.Linear(4, 3), nn.Linear(3, 2)], ("identity", "identity")),
    "no-bias": (
        lambda: [nn.Linear(4, 3, bias=False), nn.Tanh(), nn.Linear(3, 2)],
        ("tanh", "identity"),
    ),
    "softmax": (lambda: [nn.Linear(4, 3), nn.Softmax(dim=1)], ("softmax",)),
    "softmax-last": (lambda: [nn.Linear(4, 3), nn.Softmax(dim=-1)], ("softmax",)),
    "leaky": (lambda: [nn.Linear(4, 3), nn.LeakyReLU()], ("leaky_relu",)),
    "in-place": (lambda: [nn.Linear(4, 3), nn.ReLU(inplace=True)], ("relu",)),
    "dropout": (
        lambda: [nn.Dropout(0.9), nn.Linear(4, 3), nn.Dropout(), nn.Sigmoid(), nn.Dropout()],
        ("sigmoid",),
    ),
    "flatten": (lambda: [nn.Flatten(), nn.Linear(4, 3), nn.ReLU()], ("relu",)),
    "identity": (
        lambda: [nn.Identity(), nn.Linear(4, 3), nn.Identity(), nn.ReLU(), nn.Identity()],
        ("relu",),
    ),
    "identity-between": (
        lambda: [nn.Linear(4, 3), nn.Identity(), nn.Linear(3, 2), nn.Identity()],
        ("identity", "identity"),
    ),
    "nested": (
        lambda: [
            nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(4, 3)), nn.ReLU()),
            nn.Sequential(),
            nn.Sequential(nn.Linear(3, 2), nn.Sigmoid()),
        ],
        ("relu", "sigmoid"),
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("modules", "expected"), FLATTENED.values(), ids=FLATTENED)
def test_the_network_computes_what_the_modules_do(modules, expected, dtype):
    sequential = nn.Sequential(*modules()).to(getattr(torch, dtype)).eval()
    sizes, activations, params = from_sequential(sequential)
    assert activations == expected
    assert all(a.dtype == dtype for layer in params for a in layer)
    A, _ = network(sizes, activations[:-1], activations[-1]).forward(params, X)
    tolerance = {"float32": 2e-6, "float64": 1e-14}[dtype]
    np.testing.assert_allclose(A, outputs(sequential, dtype), rtol=tolerance, atol=tolerance)


def test_a_slope_rounded_to_float32_is_read():
    sequential = nn.Sequential(nn.Linear(4, 3), nn.LeakyReLU(float(np.float32(0.01))))
    assert from_sequential(sequential)[1] == ("leaky_relu",)


def test_one_activation_module_may_serve_twice():
    relu = nn.ReLU()
    sequential = nn.Sequential(nn.Linear(4, 3), relu, nn.Linear(3, 3), relu, nn.Linear(3, 1))
    assert from_sequential(sequential)[:2] == ((4, 3, 3, 1), ("relu", "relu", "identity"))


def test_named_modules_and_a_derived_class_are_read():
    class Perceptron(nn.Sequential):
        pass

    sequential = Perceptron()
    sequential.add_module("first", nn.Linear(4, 3))
    sequential.add_module("bend", nn.Tanh())
    assert from_sequential(sequential)[:2] == ((4, 3), ("tanh",))


def test_what_is_read_is_a_copy():
    sequential = nn.Sequential(nn.Linear(4, 3))
    _, _, ((W, b),) = from_sequential(sequential)
    before = sequential[0].weight.detach().clone(), sequential[0].bias.detach().clone()
    W[:], b[:] = 7.0, 7.0
    assert torch.equal(sequential[0].weight, before[0])
    assert torch.equal(sequential[0].bias, before[1])


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class Doubled(nn.Sequential):
    def __call__(self, x):
        return 2.0 * super().__call__(x)


class Scaled(torch.Tensor):
    pass


def with_weight(weight, bias=None):
    linear = nn.Linear(3, 3, bias=bias is not None)
    del linear.weight
    linear.weight = weight
    if bias is not None:
        linear.bias = nn.Parameter(bias)
    return linear


REFUSED = {
    "another-activation": (
        lambda: [nn.Linear(4, 3), nn.GELU()],
        r"^sequential\[1\]: expected one of Linear, .*; found GELU\(",
    ),
    "another-slope": (
        lambda: [nn.Linear(4, 3), nn.LeakyReLU(0.2)],
        r"LeakyReLU\(0.01\).*slope=0.2\)",
    ),
    "softmax-of-columns": (
        lambda: [nn.Linear(4, 3), nn.Softmax(dim=0)],
        r"\[1\].*found Softmax\(di",
    ),
    "softmax-without-dim": (
        lambda: [nn.Linear(4, 3), nn.Softmax()],
        r"\[1\].*found Softmax\(dim=No",
    ),
    "batch-norm": (lambda: [nn.Linear(4, 3), nn.BatchNorm1d(3)], r"\[1\].*found BatchNorm1d\(3"),
    "nested": (
        lambda: [nn.Linear(4, 3), nn.Sequential(nn.Tanh(), nn.Conv2d(1, 1, 1))],
        r"^sequential\[1\]\[1\]: expected .*; found Conv2d",
    ),
    "doubled": (lambda: [nn.Linear(4, 4), Doubled(nn.Linear(4, 4))], r"\[1\].*found Doubled\("),
    "residual": (lambda: [nn.Linear(4, 4), Residual(nn.Linear(4, 4))], r"\[1\].*found Residual\("),
    "flatten-later": (
        lambda: [nn.Linear(4, 3), nn.Flatten()],
        r"\[1\].*first Linear.*found Flatten",
    ),
    "flatten-examples": (lambda: [nn.Flatten(0), nn.Linear(4, 3)], r"\[0\].*found Flatten\(start"),
    "activation-first": (
        lambda: [nn.ReLU(), nn.Linear(4, 3)],
        r"^sequential\[0\]: expected each activation after a Linear, found ReLU\(\) before any",
    ),
    "two-activations": (
        lambda: [nn.Linear(4, 3), nn.ReLU(), nn.Dropout(), nn.Tanh()],
        r"^sequential\[3\]: expected each activation after a Linear, found Tanh\(\) after relu",
    ),
    "parametrized": (
        lambda: [nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))],
        r"(?s)\[0\].*found ParametrizedLinear\(.*parametrize\.remove_parametrizations",
    ),
    "half": (
        lambda: [nn.Linear(4, 3).bfloat16()],
        r"\[0\]: expected .*float32.*found bfloat16; .*fl",
    ),
    "complex": (lambda: [nn.Linear(4, 3, dtype=torch.complex64)], r"\[0\].*found complex64"),
    "without-memory": (
        lambda: [nn.Linear(4, 3, device="meta")],
        r"^sequential\[0\]: expected weights with numbers.* on device meta; load them",
    ),
    "sparse": (
        lambda: [with_weight(torch.eye(3).to_sparse())],
        r"\[0\].*layout torch.sparse_coo.*to_dense",
    ),
    "of-a-class-of-its-own": (
        lambda: [with_weight(torch.eye(3).as_subclass(Scaled))],
        r"\[0\].*found a Scaled",
    ),
    "no-weight": (lambda: [with_weight(None)], r"\[0\].*found None"),
    "bias-of-two-dimensions": (
        lambda: [with_weight(torch.eye(3), torch.zeros(1, 3))],
        r"\[0\].*one bias an output, found shapes \(3, 3\).*\(1, 3\)",
    ),
    "sizes": (
        lambda: [nn.Linear(4, 3), nn.ReLU(), nn.Linear(5, 2)],
        r"^sequential\[2\]: expected a Linear with 3 inputs, .* found 5",
    ),
    "nothing": (lambda: [nn.Dropout()], r"expected at least one Linear.*found none"),
}


@pytest.mark.parametrize(("modules", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_named(modules, message):
    with pytest.raises(xpnn.ArgumentError, match=message):
        from_sequential(nn.Sequential(*modules()))


@pytest.mark.parametrize(
    "bad",
    [nn.Linear(4, 3), nn.ModuleList([nn.Linear(4, 3)]), Residual(nn.Linear(4, 4)), [1], None],
    ids=["linear", "module-list", "residual", "list", "none"],
)
def test_only_a_sequential_is_read(bad):
    with pytest.raises(xpnn.ArgumentTypeError, match=r"^expected a torch.nn.Sequential, found "):
        from_sequential(bad)


# ---- modules that compute something else than they say ---------------------------------------


def trained(change, **given):
    """Return a module that has been changed, then trained: what hooks compute is stale."""
    torch.manual_seed(0)
    sequential = nn.Sequential(
        nn.Linear(4, 8), nn.Sequential(nn.Dropout(0.0), nn.Tanh()), nn.Linear(8, 1)
    )
    change(sequential, **given)
    step = torch.optim.SGD(sequential.parameters(), 0.5)
    inputs = torch.tensor(X.T.astype("float32"))
    for _ in range(3):
        step.zero_grad()
        ((sequential(inputs) - inputs[:, :1]) ** 2).mean().backward()
        step.step()
    return sequential.eval()


def spectral_norm(s):
    nn.utils.spectral_norm(s[0])


TOUCHED = {
    "pruned": (
        lambda s: prune.l1_unstructured(s[0], "weight", 0.3),
        r"^sequential\[0\]: expected .*hooks, found Linear with L1Unstructured.*prune\.remove",
    ),
    "pruned in parts": (
        lambda s: prune.global_unstructured(
            [(s[0], "weight"), (s[2], "bias")], prune.L1Unstructured, amount=3
        ),
        r"\[0\].*with CustomFromMask",
    ),
    "spectral norm": (spectral_norm, r"\[0\].*with SpectralNorm.*remove_spectral_norm"),
    "hook": (
        lambda s: s[0].register_forward_hook(lambda m, i, o: 2.0 * o),
        r"\[0\].*with .*lambda.*handle\.remove\(\)",
    ),
    "hook with keywords": (
        lambda s: s[0].register_forward_hook(lambda m, i, k, o: 2.0 * o, with_kwargs=True),
        r"\[0\].*with .*lambda",
    ),
    "hook of an activation": (
        lambda s: s[1][1].register_forward_pre_hook(lambda m, i: (2.0 * i[0],)),
        r"^sequential\[1\]\[1\].*found Tanh with",
    ),
    "hook of what does nothing": (
        lambda s: s[1][0].register_forward_hook(lambda m, i, o: 2.0 * o),
        r"^sequential\[1\]\[0\].*found Dropout with",
    ),
    "hook of an inner sequential": (
        lambda s: s[1].register_forward_hook(lambda m, i, o: 2.0 * o),
        r"^sequential\[1\]: .*found Sequential with",
    ),
    "hook of the whole": (
        lambda s: s.register_forward_hook(lambda m, i, o: 2.0 * o),
        r"^sequential: .*found Sequential with",
    ),
    "own forward": (
        lambda s: setattr(s[0], "forward", nn.Linear(4, 8).forward),
        r"\[0\]: expected the forward of its class.*del module\.forward",
    ),
    "own forward of the whole": (
        lambda s: setattr(s, "forward", lambda x: 2.0 * nn.Sequential.forward(s, x)),
        r"^sequential: expected the forward of its class",
    ),
    "own call": (
        lambda s: setattr(s[0], "_call_impl", s[0].forward),
        r"\[0\].*del module\._call_impl",
    ),
}


@pytest.mark.parametrize("name", TOUCHED)
def test_a_module_that_computes_something_else_is_refused(name):
    change, message = TOUCHED[name]
    sequential = trained(change)
    with pytest.raises(xpnn.ArgumentError, match=message):
        from_sequential(sequential)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated:FutureWarning")
def test_what_was_made_permanent_is_read():
    """The cures that the messages name."""

    def change(s):
        prune.l1_unstructured(s[0], "weight", 0.3)
        nn.utils.weight_norm(s[2])
        nn.utils.parametrizations.spectral_norm(s[0], "bias")

    sequential = trained(change)
    with pytest.raises(xpnn.ArgumentError, match="ParametrizedLinear"):
        from_sequential(sequential)
    nn.utils.parametrize.remove_parametrizations(sequential[0], "bias")
    with pytest.raises(xpnn.ArgumentError, match="L1Unstructured"):
        from_sequential(sequential)
    prune.remove(sequential[0], "weight")
    with pytest.raises(xpnn.ArgumentError, match=r"WeightNorm.*remove_weight_norm"):
        from_sequential(sequential)
    nn.utils.remove_weight_norm(sequential[2])
    sequential[0].register_full_backward_hook(lambda *args: None)  # of no account here
    sizes, activations, params = from_sequential(sequential)
    A, _ = network(sizes, activations[:-1], activations[-1]).forward(params, X.astype("float32"))
    np.testing.assert_allclose(A, outputs(sequential, "float32"), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("register", ["hook", "pre_hook"])
def test_a_hook_of_all_modules_is_refused(register):
    hooks = nn.modules.module
    handle = getattr(hooks, f"register_module_forward_{register}")(lambda *args: None)
    try:
        with pytest.raises(xpnn.ArgumentError, match=r"no forward hook of all.*handle\.remove"):
            from_sequential(nn.Sequential(nn.Linear(4, 3)))
    finally:
        handle.remove()
    from_sequential(nn.Sequential(nn.Linear(4, 3)))


def test_a_sequential_inside_itself_is_refused():
    inner = nn.Sequential(nn.Linear(4, 4))
    outer = nn.Sequential(inner)
    inner.append(outer)
    with pytest.raises(xpnn.ArgumentError, match=r"^sequential\[0\]\[1\]: .*not inside itself"):
        from_sequential(outer)
    deep = nn.Sequential(nn.Linear(4, 4))
    for _ in range(2000):
        deep = nn.Sequential(deep)
    with pytest.raises(xpnn.ArgumentError, match="at most 100 others"):
        from_sequential(deep)
    same = nn.Sequential(nn.Linear(4, 4))
    assert len(from_sequential(nn.Sequential(same, same, same))[2]) == 3


def test_weights_may_be_tied_and_lie_in_any_order():
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    first.weight = second.weight = nn.Parameter(torch.randn(4, 4).T)
    sequential = nn.Sequential(first, nn.Tanh(), second)
    sizes, activations, params = from_sequential(sequential)
    A, _ = network(sizes, activations[:-1], activations[-1]).forward(params, X.astype("float32"))
    np.testing.assert_allclose(A, outputs(sequential, "float32"), rtol=2e-6, atol=2e-6)
