"""Train on all the processes that mpiexec has started: mpiexec -n 4 python train.py.

X.npy has an example in each row, y.npy its class, 0, 1, 2, …; every process can read both files.
"""

import numpy as np

import xpnn
from xpnn import distributed

comm = distributed.communicator()
# with GPUs, one for each process: xpnn.set_backend(f"cupy:{comm.local_rank}")
X, y = np.load("X.npy", mmap_mode="r"), np.load("y.npy")
mine = comm.shard(len(X))  # nothing else of X is ever read here

net = xpnn.Network([X.shape[1], 128, 64, int(y.max()) + 1])
params, history = xpnn.fit(
    net,
    net.init(rng=0),
    X[mine].T,
    y[None, mine],
    epochs=20,
    batch_size=1024,  # of all processes together
    checkpoint=xpnn.Checkpoint("run.safetensors", every=5, resume=True),
    communicator=comm,
)
if comm.rank == 0:
    xpnn.save("model.safetensors", net, params)
    print(history)
