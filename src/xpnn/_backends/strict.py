"""array-api-strict: the standard and nothing more, for tests.

Its devices are not real ones: ``device1`` and ``device2`` refuse to mix with
others, ``no_float64`` and ``no_x64`` lack dtypes as some accelerators do.
"""

from contextlib import AbstractContextManager
from typing import Any

from .._typing import Array
from .base import Backend
from .numpy import quiet


class StrictBackend(Backend):
    """array-api-strict on one of its make-believe devices."""

    name = "array_api_strict"
    module = "array_api_strict"
    distributions = ("array-api-strict",)
    cure = "pip install array-api-strict"

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        return ("CPU_DEVICE", "device1", "device2", "no_float64", "no_x64")

    @classmethod
    def find_device(cls, name: str) -> Any:
        return cls.namespace().Device(super().find_device(name))

    @property
    def device_name(self) -> str:
        return str(self.device).split("'")[1]

    def fetch(self, a: Array) -> Any:
        return super().fetch(self.xp.asarray(a, device=self.xp.Device("CPU_DEVICE")))

    def current(self) -> AbstractContextManager[Any]:
        return quiet()
