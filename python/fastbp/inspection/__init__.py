"""Drawings of expressions and networks, and whether an expression is convex: `draw` and `curvature`."""
