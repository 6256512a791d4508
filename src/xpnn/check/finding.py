"""`Finding`: one number, and the largest that is right."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What one check found on one backend.

    Attributes
    ----------
    check : str
    found : float
        How far it is from right; NaN if the check itself failed.
    allowed : float
        How far it may be.
    remedy : str
        What to do if it is further.
    """

    check: str
    found: float
    allowed: float
    remedy: str

    @property
    def passed(self) -> bool:
        """Whether it is right."""
        return self.found <= self.allowed
