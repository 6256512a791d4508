"""The processes of ``xpnn train --distributed``: a device for each, one that prints, one end."""

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from io import StringIO
from time import sleep

from .. import _signals
from .._backends.base import Backend
from .._backends.selection import get_backend, set_backend
from ..distributed.processes import Communicator
from . import one_line


def select_backend(comm: Communicator, name: str | None) -> Backend:
    """Select a backend; of several GPUs each rank of a machine gets another."""
    backend = set_backend(name) if name else get_backend()
    asked = name or os.environ.get("XPNN_BACKEND", "")
    if comm.size == 1 or asked[-1:].isdigit():
        return backend
    kind = backend.device_name.partition(":")[0]
    alike = [name for name in backend.devices() if name.partition(":")[0] == kind]
    device = alike[comm.local_rank % len(alike)]
    return backend if len(alike) == 1 else set_backend(f"{backend.name}:{device}")


def run_on_ranks(comm: Communicator, command: Callable[[], int]) -> int:
    """Run a command that only rank 0 prints from, and that ends on all ranks if it fails."""
    if comm.size == 1:
        return command()
    try:
        with nullcontext() if comm.is_root else redirect_stdout(StringIO()):
            return command()
    except KeyboardInterrupt:
        comm.abort(_signals.status())
        raise
    except SystemExit as error:
        comm.abort(_signals.exit_status(error))
    except Exception as error:
        if not comm.is_root:
            sleep(1.5)  # what rank 0 finds wrong as well is told once
        if "--debug" in sys.argv:
            traceback.print_exc()
        where = f"rank {comm.rank} of {comm.size}"
        try:
            sys.stderr.write(f"xpnn: error: {where}: {one_line(error)}\n")
        finally:
            comm.abort(2)
        raise
