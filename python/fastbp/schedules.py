"""Another name of `fastbp.optimizers.schedules`."""

from .optimizers.schedules import *  # noqa: F403
