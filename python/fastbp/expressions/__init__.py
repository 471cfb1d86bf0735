"""Expressions: symbolic values, the functions of them, and the rules by which their shapes become nodes of a graph.

Nothing is computed here: `lowering` turns expressions into the graph of a backend.
"""
