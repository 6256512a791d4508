"""By hand in JAX: `jax.jit` of a step, dispatched once a mini-batch, and `lax.scan` over steps."""

import numpy as np

from . import BETA1, BETA2, EPSILON, epoch_means, learning_rate, orders, start


def jitted(workload, optimizer, device):
    """One dispatch a step; its buffers are donated."""
    import jax
    import jax.numpy as jnp

    X, Y, begin, step = pieces(workload, optimizer, device)
    donate = jax.jit(
        lambda state, X, Y, idx: step(state, X, Y) if idx is None else step(state, X[idx], Y[idx]),
        donate_argnums=0,
    )

    def train():
        state, costs = begin(), []
        for drawn in orders(workload):
            order = None if drawn is None else drawn.astype(np.int32)
            for first in range(0, workload.m, workload.batch):
                idx = None if order is None else order[first : first + workload.batch]
                state, cost = donate(state, X, Y, idx)
                costs.append(cost)
        jax.block_until_ready(state)
        return epoch_means(jax.device_get(jnp.stack(costs)), workload)

    return train


def scanned(workload, optimizer, device):
    """One dispatch an epoch; one for all epochs of the full batch."""
    import jax

    X, Y, begin, step = pieces(workload, optimizer, device)

    def over_mini_batches(state, X, Y, order):
        return jax.lax.scan(lambda state, idx: step(state, X[idx], Y[idx]), state, order)

    def over_epochs(state, X, Y):
        return jax.lax.scan(lambda state, _: step(state, X, Y), state, None, length=workload.epochs)

    epoch = jax.jit(over_mini_batches, donate_argnums=0)
    epochs = jax.jit(over_epochs, donate_argnums=0)

    def train():
        state, costs = begin(), []
        if workload.batch_size is None:
            state, costs = epochs(state, X, Y)
        else:
            for order in orders(workload):
                steps = order.astype(np.int32).reshape(-1, workload.batch)
                state, of_epoch = epoch(state, X, Y, steps)
                costs.append(of_epoch)
        jax.block_until_ready(state)
        return epoch_means(jax.device_get(costs), workload)

    return train


def pieces(workload, optimizer, device):
    """Return X and Y as rows, a function that makes the first state, and the step."""
    import jax
    import jax.numpy as jnp

    place = jax.devices(device)[0]
    X, Y = (jax.device_put(rows, place) for rows in workload.rows())
    tanh, adam, rate = workload.hidden == "tanh", optimizer == "Adam", learning_rate(optimizer)
    W0, b0 = start(workload)

    def cost_and_gradients(theta, X, Y):
        W, b = theta[: len(theta) // 2], theta[len(theta) // 2 :]
        A = [X]
        for l in range(len(W) - 1):
            Z = W[l] @ A[-1] + b[l]
            A.append(jnp.tanh(Z) if tanh else jnp.maximum(Z, 0))
        Z = W[-1] @ A[-1] + b[-1]
        m = X.shape[1]
        if Z.shape[0] == 1:
            out = jax.nn.sigmoid(Z)
            cost = -jnp.sum(Y * jnp.log(out) + (1 - Y) * jnp.log(1 - out)) / m
        else:
            out = jax.nn.softmax(Z, axis=0)
            cost = -jnp.sum(Y * jnp.log(out)) / m
        dZ = out - Y
        dW, db = [], []
        for l in range(len(W) - 1, -1, -1):
            dW.insert(0, dZ @ A[l].T / m)
            db.insert(0, dZ.sum(axis=1, keepdims=True) / m)
            if l > 0:
                dA = W[l].T @ dZ
                dZ = dA * (1 - A[l] ** 2) if tanh else dA * (A[l] > 0)
        return cost, dW + db

    def update(theta, v, s, g, t):
        if not adam:
            return [p - rate * d for p, d in zip(theta, g, strict=True)], v, s
        v = [BETA1 * a + (1 - BETA1) * d for a, d in zip(v, g, strict=True)]
        s = [BETA2 * a + (1 - BETA2) * d * d for a, d in zip(s, g, strict=True)]
        c1, c2 = 1 - BETA1**t, 1 - BETA2**t
        theta = [
            p - rate * (a / c1) / (jnp.sqrt(q / c2) + EPSILON)
            for p, a, q in zip(theta, v, s, strict=True)
        ]
        return theta, v, s

    def step(state, X, Y):
        theta, v, s, t = state
        cost, g = cost_and_gradients(theta, X.T, Y.T)
        return (*update(theta, v, s, g, t + 1), t + 1), cost

    def begin():
        theta = [np.array(p) for p in W0 + b0]
        zeros = [np.zeros_like(p) for p in theta] if adam else []
        return jax.device_put((theta, zeros, zeros, np.float32(0)), place)

    return X, Y, begin, step
