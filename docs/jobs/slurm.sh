#!/bin/bash
# Train on several nodes of a Slurm cluster: sbatch slurm.sh
# Needs, on all nodes, the environment of `pip install 'xpnn[mpi]'` and a folder that they share.
#SBATCH --job-name=xpnn
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=01:00:00
#SBATCH --requeue
# With GPUs (and `pip install 'xpnn[mpi,cuda12]'`), one for each process of a node:
# #SBATCH --gpus-per-node=4

set -euo pipefail
source "$HOME/venv/bin/activate"
cd "$SLURM_SUBMIT_DIR"

# The mpiexec of that environment, MPICH's, asks Slurm for the nodes, and starts one helper on each,
# which starts the processes; export OMP_NUM_THREADS where Slurm binds the helper to fewer cores than
# they should have. Each process takes its share of the cores; killed or requeued, the job goes on
# from its checkpoint.
mpiexec -n "$SLURM_NTASKS" python train.py
