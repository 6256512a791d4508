"""Backends of other packages, where there are none, and what is known of backends forgotten."""

import functools
import importlib.metadata

from xpnn._backends import registry, selection


def uncached(cache):
    """The same function with an empty cache of its own."""
    return functools.lru_cache(maxsize=None)(cache.__wrapped__)


def fresh_caches(monkeypatch):
    """Forget what is known of backends, now and when the test ends."""
    for module, name in (
        (registry, "known_names"),
        (registry, "backend_class"),
        (registry, "_loaded"),
        (selection, "_made"),
    ):
        monkeypatch.setattr(module, name, uncached(getattr(module, name)))


class FakeEntryPoint:
    asked = 0

    def __init__(self, name, loaded):
        self.name, self.loaded = name, loaded

    def load(self):
        self.asked += 1
        if isinstance(self.loaded, BaseException):
            raise self.loaded
        return self.loaded


def plug_in(monkeypatch, **loaded):
    """Pretend that other packages registered these in the group ``xpnn.backends``."""
    fakes = [FakeEntryPoint(name, value) for name, value in loaded.items()]

    def entry_points(*, group):
        return fakes if group == "xpnn.backends" else real(group=group)

    real = importlib.metadata.entry_points
    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    monkeypatch.setattr(registry, "_in_use", set())
    fresh_caches(monkeypatch)
    return fakes
