"""By hand in NumPy or CuPy, with updates in place; cross-entropy by the notes' formula."""

import numpy as np

from . import BETA1, BETA2, EPSILON, learning_rate, orders, start


def with_numpy(workload, optimizer, device):
    return training(np, workload, optimizer)


def with_cupy(workload, optimizer, device):
    import cupy

    return training(cupy, workload, optimizer)


def training(xp, workload, optimizer):
    """Train with the functions of ``xp``, NumPy or CuPy; rows are gathered and transposed."""
    X, Y = map(xp.asarray, workload.rows())
    W0, b0 = (list(map(xp.asarray, arrays)) for arrays in start(workload))
    m, L, tanh = workload.m, len(W0), workload.hidden == "tanh"
    adam, rate = optimizer == "Adam", learning_rate(optimizer)

    def train():
        W, b = [w.copy() for w in W0], [w.copy() for w in b0]
        theta = W + b
        v, s = [xp.zeros_like(p) for p in theta], [xp.zeros_like(p) for p in theta]
        t, costs = 0, []
        for drawn in orders(workload):
            order = None if drawn is None else xp.asarray(drawn)
            J = 0.0
            for first in range(0, m, workload.batch):
                if order is None:
                    A, Yb = [X.T], Y.T
                else:
                    idx = order[first : first + workload.batch]
                    A, Yb = [X[idx].T], Y[idx].T
                n = Yb.shape[1]
                for l in range(L - 1):
                    Z = W[l] @ A[-1] + b[l]
                    A.append(xp.tanh(Z) if tanh else xp.maximum(Z, 0))
                Z = W[-1] @ A[-1] + b[-1]
                if Z.shape[0] == 1:
                    out = 1 / (1 + xp.exp(-Z))
                    cost = -xp.sum(Yb * xp.log(out) + (1 - Yb) * xp.log(1 - out)) / n
                else:
                    e = xp.exp(Z - Z.max(axis=0, keepdims=True))
                    out = e / e.sum(axis=0, keepdims=True)
                    cost = -xp.sum(Yb * xp.log(out)) / n
                J += cost * n
                dZ = out - Yb
                dW, db = [None] * L, [None] * L
                for l in range(L - 1, -1, -1):
                    dW[l] = dZ @ A[l].T / n
                    db[l] = dZ.sum(axis=1, keepdims=True) / n
                    if l > 0:
                        dA = W[l].T @ dZ
                        dZ = dA * (1 - A[l] ** 2) if tanh else dA * (A[l] > 0)
                t += 1
                for i, g in enumerate(dW + db):
                    if not adam:
                        theta[i] -= rate * g
                        continue
                    v[i] *= BETA1
                    v[i] += (1 - BETA1) * g
                    square = g * g
                    square *= 1 - BETA2
                    s[i] *= BETA2
                    s[i] += square
                    root = s[i] / (1 - BETA2**t)
                    xp.sqrt(root, out=root)
                    root += EPSILON
                    move = v[i] * (rate / (1 - BETA1**t))
                    move /= root
                    theta[i] -= move
            costs.append(J / m)
        return [float(J) for J in costs]  # which waits for the device

    return train
