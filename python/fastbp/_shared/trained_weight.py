"""`TrainedWeight`: what is set for one weight that a trainer trains."""

from __future__ import annotations

import math
from typing import NamedTuple


class TrainedWeight(NamedTuple):
    """A trained weight, as both backends' trainers take it.

    Parameters
    ----------
    node : int
        The weight's node of the graph, of operation ``parameter``.
    decay : float
        Factor of the optimiser's weight_decay. Default 1.
    rate : float
        Factor of the learning rate. Default 1.
    max_norm : float
        The bound of its columns' norms, which each update enforces. Default: infinity.
    proximal_l1 : float
        λ of the proximal step's threshold ηλ. Default 0.
    """

    node: int
    decay: float = 1.0
    rate: float = 1.0
    max_norm: float = math.inf
    proximal_l1: float = 0.0
