"""Learning-rate schedules for `xpnn.optimizers`; `xpnn.core.schedules` states their equations."""

from .core.schedules import cosine_decay, exponential_decay, inverse_time_decay, step_decay

__all__ = ["step_decay", "exponential_decay", "inverse_time_decay", "cosine_decay"]
