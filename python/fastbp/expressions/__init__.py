"""Expressions: symbolic values, functions of them, their shape rules, gradients and Hessians.

Nothing is computed here: the package `lowering` translates expressions to a graph.
"""
