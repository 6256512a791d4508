"""Data-parallel training: processes that each hold some of the examples, joined by MPI.

A program that is started several times, ``mpiexec -n 4 python program.py``, asks for its
`communicator` and passes it to `xpnn.fit` or to an estimator, with its own shard of the
examples. Every process (a *rank*) computes the gradient of the part of each mini-batch that it
holds; one sum over all ranks makes of these the gradient of the whole, and all make the same
update. So the training is that of all the examples in one process, whatever their number.

mpi4py does the work (``pip install 'xpnn[mpi]'`` brings it, and MPICH); on CuPy, NCCL moves the
gradients.
"""

from .processes import Communicator
from .startup import communicator

__all__ = ["communicator", "Communicator"]
