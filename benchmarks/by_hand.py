"""The same training as `xpnn.fit`, as people write it by hand for one library.

Relu or tanh hidden layers, softmax or sigmoid output, cross-entropy by the notes'
formula, Adam or gradient descent: plain NumPy with in-place updates, and JAX with
one ``jax.jit`` step dispatched once per mini-batch, its buffers donated.
Data are rows; mini-batches are gathered and transposed.
"""

import numpy as np

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def numpy_fit(W, b, X, Y, hidden, adam, rate, epochs, batch_size, seed):
    """Train W and b, lists of arrays, in place; return the cost of each epoch."""
    m, L = X.shape[0], len(W)
    rng = np.random.default_rng(seed)
    theta = W + b
    v, s = [np.zeros_like(p) for p in theta], [np.zeros_like(p) for p in theta]
    t, costs = 0, []
    for _ in range(epochs):
        order = None if batch_size is None else rng.permutation(m)
        J = 0.0
        for start in range(0, m, batch_size or m):
            if order is None:
                A, Yb = [X.T], Y.T
            else:
                idx = order[start : start + batch_size]
                A, Yb = [X[idx].T], Y[idx].T
            n = Yb.shape[1]
            for l in range(L - 1):
                Z = W[l] @ A[-1] + b[l]
                A.append(np.tanh(Z) if hidden == "tanh" else np.maximum(Z, 0))
            Z = W[-1] @ A[-1] + b[-1]
            if Z.shape[0] == 1:
                out = 1 / (1 + np.exp(-Z))
                cost = -np.sum(Yb * np.log(out) + (1 - Yb) * np.log(1 - out)) / n
            else:
                e = np.exp(Z - Z.max(axis=0, keepdims=True))
                out = e / e.sum(axis=0, keepdims=True)
                cost = -np.sum(Yb * np.log(out)) / n
            J += cost * n
            dZ = out - Yb
            dW, db = [None] * L, [None] * L
            for l in range(L - 1, -1, -1):
                dW[l] = dZ @ A[l].T / n
                db[l] = dZ.sum(axis=1, keepdims=True) / n
                if l > 0:
                    dA = W[l].T @ dZ
                    dZ = dA * (1 - A[l] ** 2) if hidden == "tanh" else dA * (A[l] > 0)
            t += 1
            for i, g in enumerate(dW + db):
                if not adam:
                    theta[i] -= rate * g
                    continue
                v[i] *= BETA1
                v[i] += (1 - BETA1) * g
                s[i] *= BETA2
                s[i] += (1 - BETA2) * g * g
                v_hat = v[i] / (1 - BETA1**t)
                s_hat = s[i] / (1 - BETA2**t)
                theta[i] -= rate * v_hat / (np.sqrt(s_hat) + EPSILON)
        costs.append(float(J / m))
    return costs


def jax_fit(hidden, adam, rate):
    """Return fit(W, b, X, Y, epochs, batch_size, seed) with its step compiled once."""
    import jax
    import jax.numpy as jnp

    def cost_and_gradients(W, b, X, Y):
        A = [X]
        for l in range(len(W) - 1):
            Z = W[l] @ A[-1] + b[l]
            A.append(jnp.tanh(Z) if hidden == "tanh" else jnp.maximum(Z, 0))
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
                dZ = dA * (1 - A[l] ** 2) if hidden == "tanh" else dA * (A[l] > 0)
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

    def full_step(theta, v, s, t, X, Y):
        L = len(theta) // 2
        cost, g = cost_and_gradients(theta[:L], theta[L:], X.T, Y.T)
        theta, v, s = update(theta, v, s, g, t + 1)
        return theta, v, s, t + 1, cost

    def batch_step(theta, v, s, t, X, Y, idx):
        return full_step(theta, v, s, t, X[idx], Y[idx])

    full_step_jit = jax.jit(full_step, donate_argnums=(0, 1, 2, 3))
    batch_step_jit = jax.jit(batch_step, donate_argnums=(0, 1, 2, 3))

    def fit(W, b, X, Y, epochs, batch_size, seed):
        m = X.shape[0]
        rng = np.random.default_rng(seed)
        theta = [jnp.array(p) for p in W + b]
        v, s = [jnp.zeros_like(p) for p in theta], [jnp.zeros_like(p) for p in theta]
        t, costs = jnp.zeros(()), []
        for _ in range(epochs):
            if batch_size is None:
                theta, v, s, t, cost = full_step_jit(theta, v, s, t, X, Y)
                costs.append(cost)
                continue
            order = rng.permutation(m).astype(np.int32)
            for start in range(0, m, batch_size):
                idx = order[start : start + batch_size]
                theta, v, s, t, cost = batch_step_jit(theta, v, s, t, X, Y, idx)
                costs.append(cost)
        jax.block_until_ready(theta)
        return [float(J) for J in jax.device_get(costs)]

    return fit
