"""Rules for a node's curvature and sign: the composition rules of disciplined convex programming.

For convex f, f(g) is convex if g is affine, if f is nondecreasing and g convex, or if f is nonincreasing and g concave.
The same holds with convex and concave exchanged (S. Boyd and L. Vandenberghe, Convex Optimization, 2004, 3.2.4;
M. Grant, S. Boyd and Y. Ye, Disciplined Convex Programming, 2006). `RULES` has one rule per operation of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Facts:
    """What is known of every element of a node, as a function of the variables, wherever it is defined."""

    constant: bool = False  # does not depend on the variables
    convex: bool = False
    concave: bool = False
    nonnegative: bool = False
    nonpositive: bool = False
    squares: bool = False  # a sum of squares, so that its root is a norm

    @property
    def affine(self) -> bool:
        return self.convex and self.concave


UNKNOWN = Facts()
AFFINE = Facts(convex=True, concave=True)


@dataclass(frozen=True)
class Atom:
    """A function of one number, on the interval in which its operand is known to lie."""

    convex: bool = False
    concave: bool = False
    increasing: bool = False  # nondecreasing
    decreasing: bool = False  # nonincreasing
    nonnegative: bool = False
    nonpositive: bool = False


@dataclass(frozen=True, eq=False)
class Term:
    """A node, its operands' terms, and what is known of it; nodes that compute the same are one term."""

    operation: str
    operands: tuple[Term, ...]
    integers: tuple[int, ...]
    numbers: tuple[float, ...]
    facts: Facts = UNKNOWN


def facts_of(term: Term) -> Facts:
    """What is known of a node, derived from what is known of its operands."""
    facts = RULES[term.operation](term, *(operand.facts for operand in term.operands))
    if all(operand.facts.constant for operand in term.operands):
        return replace(facts, constant=True, convex=True, concave=True, squares=facts.nonnegative)
    return facts


# -- the building blocks of the rules --


def composed(f: Atom, x: Facts) -> Facts:
    """f(x)"""
    return Facts(
        convex=f.convex and (x.affine or (f.increasing and x.convex) or (f.decreasing and x.concave)),
        concave=f.concave and (x.affine or (f.increasing and x.concave) or (f.decreasing and x.convex)),
        nonnegative=f.nonnegative,
        nonpositive=f.nonpositive,
    )


def negated(x: Facts) -> Facts:
    return Facts(x.constant, x.concave, x.convex, x.nonpositive, x.nonnegative)


def added(*terms: Facts) -> Facts:
    """A sum, or anything else that has each property if all its parts have it."""
    return Facts(
        convex=all(x.convex for x in terms),
        concave=all(x.concave for x in terms),
        nonnegative=all(x.nonnegative for x in terms),
        nonpositive=all(x.nonpositive for x in terms),
        squares=all(x.squares for x in terms),
    )


def scaled(x: Facts, factor: Facts) -> Facts:
    """x times a constant."""
    return Facts(
        convex=x.affine or (factor.nonnegative and x.convex) or (factor.nonpositive and x.concave),
        concave=x.affine or (factor.nonnegative and x.concave) or (factor.nonpositive and x.convex),
        nonnegative=(x.nonnegative and factor.nonnegative) or (x.nonpositive and factor.nonpositive),
        nonpositive=(x.nonnegative and factor.nonpositive) or (x.nonpositive and factor.nonnegative),
        squares=x.squares and factor.nonnegative,
    )


def product(a: Facts, b: Facts) -> Facts:
    """A product of elements or of matrices: unless one factor is constant, only the sign is known."""
    if b.constant:
        return scaled(a, b)
    if a.constant:
        return scaled(b, a)
    return sign_of(scaled(a, b))


def sign_of(x: Facts) -> Facts:
    """What is known of the sign alone."""
    return Facts(nonnegative=x.nonnegative, nonpositive=x.nonpositive)


def is_square(x: Facts) -> bool:
    """Whether √Σx² is convex: a norm grows with the magnitudes of its elements."""
    return x.affine or (x.convex and x.nonnegative) or (x.concave and x.nonpositive)


# -- the atoms --


def even_power(x: Facts) -> Atom:
    """x², x⁴, …"""
    return Atom(convex=True, increasing=x.nonnegative, decreasing=x.nonpositive, nonnegative=True)


def odd_power(x: Facts) -> Atom:
    """x³, x⁵, …: convex for x ≥ 0, concave for x ≤ 0."""
    sign = {"nonnegative": x.nonnegative, "nonpositive": x.nonpositive}
    return Atom(convex=x.nonnegative, concave=x.nonpositive, increasing=True, **sign)


def inverse_power(x: Facts, odd: bool) -> Atom:
    """x⁻¹, x⁻², …: convex and decreasing for x > 0; for x < 0 the mirror image, negated if the power is odd."""
    if x.nonnegative:
        return Atom(convex=True, decreasing=True, nonnegative=True)
    if not x.nonpositive:
        return Atom(nonnegative=not odd)
    if odd:
        return Atom(concave=True, decreasing=True, nonpositive=True)
    return Atom(convex=True, increasing=True, nonnegative=True)


def whole_power(exponent: int, x: Facts) -> Atom:
    if exponent == 0:
        return Atom(convex=True, concave=True, increasing=True, decreasing=True, nonnegative=True)
    if exponent == 1:
        return Atom(convex=True, concave=True, increasing=True, nonnegative=x.nonnegative, nonpositive=x.nonpositive)
    if exponent < 0:
        return inverse_power(x, exponent % 2 == 1)
    return odd_power(x) if exponent % 2 else even_power(x)


def real_power(exponents: Sequence[float], x: Facts) -> Atom:
    """x^p. If no p is whole, x^p is NaN for x < 0, so x ≥ 0 can be assumed."""
    if not x.nonnegative and any(float(p).is_integer() for p in exponents):
        return Atom()
    concave = all(0 <= p <= 1 for p in exponents)
    return Atom(
        convex=all(p <= 0 or p >= 1 for p in exponents),
        concave=concave,
        # for p > 1 the set on which x^p is defined, x ≥ 0, is convex only if x is affine or known to be ≥ 0
        increasing=concave or (x.nonnegative and all(p >= 0 for p in exponents)),
        decreasing=all(p <= 0 for p in exponents),
        nonnegative=True,
    )


def exponential(bases: Sequence[float]) -> Atom:
    """b^x for bases b > 0."""
    return Atom(
        convex=True, increasing=all(b >= 1 for b in bases), decreasing=all(b <= 1 for b in bases), nonnegative=True
    )


def magnitude(x: Facts) -> Atom:
    one_sided = x.nonnegative or x.nonpositive
    return replace(even_power(x), concave=one_sided)


def s_shaped(x: Facts) -> Atom:
    """tanh, erf: convex below 0, concave above, neither on the whole line."""
    sign = {"nonnegative": x.nonnegative, "nonpositive": x.nonpositive}
    return Atom(convex=x.nonpositive, concave=x.nonnegative, increasing=True, **sign)


def rising(x: Facts, convex: bool) -> Atom:
    """expm1, log1p: increasing through 0, with the sign of x."""
    sign = {"nonnegative": x.nonnegative, "nonpositive": x.nonpositive}
    return Atom(convex=convex, concave=not convex, increasing=True, **sign)


RISING_CONVEX = Atom(convex=True, increasing=True, nonnegative=True)
ATOMS: dict[str, Callable[[Facts], Atom]] = {
    "absolute": magnitude,
    "exp": lambda x: RISING_CONVEX,
    "softplus": lambda x: RISING_CONVEX,
    "relu": lambda x: replace(RISING_CONVEX, concave=x.nonnegative or x.nonpositive, nonpositive=x.nonpositive),
    "expm1": lambda x: rising(x, convex=True),
    "log1p": lambda x: rising(x, convex=False),
    "sigmoid": lambda x: replace(s_shaped(x), nonnegative=True, nonpositive=False),
    "tanh": s_shaped,
    "erf": s_shaped,
    "sign": lambda x: Atom(nonnegative=x.nonnegative, nonpositive=x.nonpositive),
    "sin": lambda x: Atom(),
    "cos": lambda x: Atom(),
}


# -- the rules: functions of a term and the facts of its operands --

Rule = Callable[..., Facts]


def atom_rule(atom: Callable[[Facts], Atom]) -> Rule:
    return lambda term, x: composed(atom(x), x)


def constant_rule(term: Term) -> Facts:
    values = term.numbers
    nonnegative, nonpositive = all(v >= 0 for v in values), all(v <= 0 for v in values)
    return Facts(nonnegative=nonnegative, nonpositive=nonpositive)


def square_rule(term: Term, x: Facts) -> Facts:
    return replace(composed(even_power(x), x), squares=is_square(x))


def without_factors(term: Term) -> tuple[Facts, Term]:
    """(c, x) with term = c·x: what is known of the product of its constant factors, and the rest."""
    factor = Facts(constant=True, convex=True, concave=True, nonnegative=True)
    while True:
        constants = [operand for operand in term.operands if operand.facts.constant]
        if term.operation == "negative":
            factor, term = negated(factor), term.operands[0]
        elif term.operation == "multiply" and len(constants) == 1:
            (other,) = (operand for operand in term.operands if not operand.facts.constant)
            factor, term = scaled(factor, constants[0].facts), other
        else:
            return factor, term


def log_rule(term: Term, x: Facts) -> Facts:
    """ln is concave and increasing; so is ln σ(z) = −softplus(−z), as a function of z."""
    (operand,) = term.operands
    if operand.operation == "sigmoid":
        return composed(Atom(concave=True, increasing=True, nonpositive=True), operand.operands[0].facts)
    return composed(Atom(concave=True, increasing=True), x)


def sqrt_rule(term: Term, x: Facts) -> Facts:
    """Concave and increasing; the root of a sum of squares is a norm, which is convex."""
    if x.squares:
        return Facts(convex=True, nonnegative=True)
    return composed(Atom(concave=True, increasing=True, nonnegative=True), x)


def power_integer_rule(term: Term, x: Facts) -> Facts:
    exponent = term.integers[0]
    squares = exponent > 0 and exponent % 2 == 0 and is_square(x)
    return replace(composed(whole_power(exponent, x), x), squares=squares)


def power_rule(term: Term, a: Facts, b: Facts) -> Facts:
    base, exponent = term.operands
    if b.constant and exponent.operation == "constant":
        return composed(real_power(exponent.numbers, a), a)
    if a.constant and a.nonnegative:
        known = base.operation == "constant"
        return composed(exponential(base.numbers) if known else Atom(convex=True, nonnegative=True), b)
    return Facts(nonnegative=a.nonnegative)


def multiply_rule(term: Term, a: Facts, b: Facts) -> Facts:
    first, second = term.operands
    if first is second:
        return square_rule(term, a)
    for scaled_x, y in ((first, second), (second, first)):
        factor, x = without_factors(scaled_x)
        if y.operation == "log" and y.operands[0] is x and x.facts.affine:
            return scaled(Facts(convex=True), factor)  # x ln x, for x > 0, where it is defined
    return product(a, b)


def divide_rule(term: Term, a: Facts, b: Facts) -> Facts:
    if b.constant:
        return scaled(a, b)
    if a.constant:
        return scaled(composed(inverse_power(b, odd=True), b), a)
    if a.squares and b.concave and b.nonnegative:
        return Facts(convex=True, nonnegative=True)  # Σ x² / y, for y > 0
    return sign_of(scaled(a, b))


def maximum_rule(term: Term, *x: Facts) -> Facts:
    return Facts(
        convex=all(operand.convex for operand in x),
        nonnegative=any(operand.nonnegative for operand in x),
        nonpositive=all(operand.nonpositive for operand in x),
    )


def minimum_rule(term: Term, *x: Facts) -> Facts:
    return negated(maximum_rule(term, *(negated(operand) for operand in x)))


def choice_rule(term: Term, c: Facts, a: Facts, b: Facts) -> Facts:
    """a or b: what both have in common if the condition is constant, else only their common sign."""
    either = added(a, b)
    return either if c.constant else sign_of(either)


def gate_rule(term: Term, a: Facts, b: Facts, g: Facts) -> Facts:
    """g or 0"""
    return g if a.constant and b.constant else sign_of(g)


def log_softmax_rule(term: Term, x: Facts) -> Facts:
    return Facts(concave=x.affine, nonpositive=True)


def sigmoid_cross_entropy_rule(term: Term, z: Facts, p: Facts, y: Facts) -> Facts:
    """softplus(z) − z·y: affine in y."""
    return Facts(convex=(y.constant and z.affine) or (z.constant and y.affine), concave=z.constant and y.affine)


def softmax_cross_entropy_rule(term: Term, z: Facts, p: Facts, y: Facts) -> Facts:
    """logsumexp(z) − Σ z·y, the rows of y summing to one (rule 7)."""
    return sigmoid_cross_entropy_rule(term, z, p, y)


def sparse_softmax_cross_entropy_rule(term: Term, z: Facts, p: Facts, label: Facts) -> Facts:
    return Facts(convex=label.constant and z.affine, nonnegative=True)


def labelled_rule(term: Term, x: Facts, label: Facts) -> Facts:
    return x if label.constant else sign_of(x)


def same_rule(term: Term, *x: Facts) -> Facts:
    """For operations that move, repeat, add or scale by a positive number: the result has what all operands have."""
    return added(*x)


def nonnegative_rule(term: Term, *x: Facts) -> Facts:
    return Facts(nonnegative=True)


RULES: dict[str, Rule] = {
    "input": lambda term: UNKNOWN,  # `facts_of` adds that it is constant; a variable gets no rule
    "parameter": lambda term: UNKNOWN,
    "constant": constant_rule,
    "negative": lambda term, x: negated(x),
    "square": square_rule,
    "log": log_rule,
    "sqrt": sqrt_rule,
    "power_integer": power_integer_rule,
    "power": power_rule,
    "add": same_rule,
    "subtract": lambda term, a, b: added(a, negated(b)),
    "multiply": multiply_rule,
    "divide": divide_rule,
    "product_or_zero": multiply_rule,
    "quotient_or_zero": divide_rule,
    "maximum": maximum_rule,
    "minimum": minimum_rule,
    "equal": nonnegative_rule,
    "greater": nonnegative_rule,
    "where_positive": choice_rule,
    "maximum_gate": gate_rule,
    "minimum_gate": gate_rule,
    "sigmoid_cross_entropy": sigmoid_cross_entropy_rule,
    "softmax_cross_entropy": softmax_cross_entropy_rule,
    "sparse_softmax_cross_entropy": sparse_softmax_cross_entropy_rule,
    "matmul": lambda term, a, b: replace(product(a, b), squares=False),
    "matmul_rows": lambda term, a, b: replace(product(a, b), squares=False),
    "max": maximum_rule,
    "first_max": nonnegative_rule,
    "argmax": nonnegative_rule,
    "softmax": nonnegative_rule,
    "log_softmax": log_softmax_rule,
    "logsumexp": lambda term, x: composed(Atom(convex=True, increasing=True), x),
    "one_hot": nonnegative_rule,
    "pick": labelled_rule,
    **dict.fromkeys(
        ["sum", "divide_by_count", "reshape", "broadcast", "concatenate", "slice", "unslice", "transpose", "dropout"],
        same_rule,
    ),
    **{name: atom_rule(atom) for name, atom in ATOMS.items()},
}
