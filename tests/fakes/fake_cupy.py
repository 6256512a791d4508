"""As much of CuPy as is used, where there is none."""

import sys
import types
from typing import ClassVar

import numpy as np

from tests.fakes.plug_ins import fresh_caches
from xpnn._backends.cupy import CupyBackend


class FakeDevice:
    """As much of ``cupy.cuda.Device`` as is used."""

    entered: ClassVar[list[int]] = []

    def __init__(self, id=1):  # noqa: A002 - CuPy's own name
        self.id = id

    def __enter__(self):
        self.before = list(self.entered)
        self.entered.append(self.id)

    def __exit__(self, *_):
        self.entered[:] = self.before


def fake_cupy(monkeypatch, count):
    """Put a module in the place of CuPy, whose runtime answers ``getDeviceCount`` so."""
    runtime = types.SimpleNamespace(getDeviceCount=count)
    cupy = types.ModuleType("cupy")
    cupy.cuda = types.SimpleNamespace(runtime=runtime, Device=FakeDevice)
    cupy.ndarray = type("ndarray", (), {})
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(CupyBackend, "version", classmethod(lambda cls: "14.0"))
    monkeypatch.setattr(CupyBackend, "namespace", classmethod(lambda cls: np))
    fresh_caches(monkeypatch)
