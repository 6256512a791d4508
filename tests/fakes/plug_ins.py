"""Backends of other packages, where there are none, and what is known of backends forgotten."""

import functools
import importlib.metadata

from xpnn._backends import selection


def uncached(cache):
    """The same function with an empty cache of its own."""
    return functools.lru_cache(maxsize=None)(cache.__wrapped__)


def fresh_caches(monkeypatch):
    """Forget what is known of backends, now and when the test ends."""
    caches = (
        selection.known_names,
        selection.backend_class,
        selection._loaded,
        selection._made,
    )
    for cache in caches:
        monkeypatch.setattr(selection, cache.__name__, uncached(cache))


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
    monkeypatch.setattr(selection, "_in_use", set())
    fresh_caches(monkeypatch)
    return fakes
