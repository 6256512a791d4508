"""In PyTorch as people write it: `nn.Sequential`, a loss module, one of `torch.optim`."""

import itertools

from workers import UnavailableError

from xpnn._backends.selection import resolve

from . import epoch_means, learning_rate, orders, start


def eager(workload, optimizer, device):
    return training(workload, optimizer, device)


def fused(workload, optimizer, device):
    """With the optimiser that updates all parameters in one call."""
    return training(workload, optimizer, device, fused=True)


def compiled(workload, optimizer, device):
    """With `torch.compile` of the loss and of the optimiser's step."""
    import torch

    train = training(workload, optimizer, device, wrap=torch.compile)
    try:
        train()
    except torch._dynamo.exc.TorchDynamoException as error:
        raise UnavailableError(f"torch.compile: {str(error).strip().splitlines()[0]}") from error
    return train


def training(workload, optimizer, device, fused=False, wrap=None):
    """Data lie on the device, mini-batches are gathered there, and costs are read at the end."""
    import torch
    from torch import nn

    resolve(f"torch:{device}", "float32")  # says if there is no such device
    X, Y = (torch.asarray(rows, device=device) for rows in workload.rows())
    binary = workload.output == "sigmoid"
    if not binary:
        Y = Y.argmax(dim=1)
    layers = []
    for n_in, n_out in itertools.pairwise(workload.sizes):
        layers += [nn.Linear(n_in, n_out), nn.Tanh() if workload.hidden == "tanh" else nn.ReLU()]
    model = nn.Sequential(*layers[:-1]).to(device)
    loss = nn.BCEWithLogitsLoss() if binary else nn.CrossEntropyLoss()
    rate = learning_rate(optimizer)
    if wrap:
        rate = torch.tensor(rate, device=device)  # a float would be compiled into the step
    make = torch.optim.Adam if optimizer == "Adam" else torch.optim.SGD
    optim = make(model.parameters(), lr=rate, fused=fused or None)
    start_from = [torch.tensor(a, device=device) for a in interleaved(*start(workload))]

    def cost(X, Y):
        return loss(model(X), Y)

    update = optim.step
    if wrap:
        cost, update = wrap(cost), wrap(update)

    @torch.no_grad()
    def reset():
        for parameter, value in zip(model.parameters(), start_from, strict=True):
            parameter.copy_(value)
        for state in optim.state.values():
            for value in state.values():
                if value is not None:
                    value.zero_()

    def step(X, Y):
        optim.zero_grad()
        J = cost(X, Y)
        J.backward()
        update()
        return J.detach()

    def train():
        reset()
        costs = []
        for drawn in orders(workload):
            if drawn is None:
                costs.append(step(X, Y))
                continue
            order = torch.from_numpy(drawn).to(device)
            for first in range(0, workload.m, workload.batch):
                idx = order[first : first + workload.batch]
                costs.append(step(X[idx], Y[idx]))
        costs = torch.stack(costs).cpu().numpy()
        if device == "cuda":
            torch.cuda.synchronize()
        return epoch_means(costs, workload)

    return train


def interleaved(W, b):
    """Yield W[1], b[1], W[2], b[2] and so on, as `parameters` does; b as vectors."""
    for weights, bias in zip(W, b, strict=True):
        yield from (weights, bias[:, 0])
