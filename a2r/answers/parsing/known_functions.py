"""The functions, constants and number words of the answer grammar."""

from __future__ import annotations

from collections.abc import Mapping

FUNCTIONS: Mapping[str, str] = {
    **{name: name for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh")},
    **{name: name for name in ("coth", "sech", "csch", "exp", "ln", "abs", "floor", "sqrt")},
    **{name: name for name in ("gcd", "lcm", "max", "min", "det")},
    **{f"arc{name}": f"a{name}" for name in ("sin", "cos", "tan", "cot", "sec", "csc")},
    **{f"a{name}": f"a{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{f"ar{name}": f"a{name}" for name in ("sinh", "cosh", "tanh")},
    **{f"arc{name}": f"a{name}" for name in ("sinh", "cosh", "tanh")},
    "log": "log", "lg": "lg", "ceil": "ceil", "ceiling": "ceil", "cbrt": "cbrt", "tg": "tan",
    "ctg": "cot", "arctg": "atan", "cosec": "csc", "sgn": "sign", "Re": "re", "Im": "im",
    "sign": "sign", "signum": "sign",
}  # fmt: skip

CONSTANTS: Mapping[str, str] = {
    "pi": "pi", "e": "e", "i": "i", "infty": "oo", "infinity": "oo", "inf": "oo",
}  # fmt: skip

GREEK_NAMES = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi"
    " rho varrho sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi"
    " Psi Omega ell hbar"
)
GREEK = frozenset(GREEK_NAMES.split())

# Letters that name a function, not a factor, if a parenthesis follows.
# Greek letters that name a function if brackets follow.
GREEK_FUNCTIONS = frozenset({"Gamma", "zeta", "Phi", "Psi", "delta", "Delta", "Theta", "Omega"})
FUNCTION_LETTERS = frozenset("fghFGHOPQW")
# Those that are also factors, as in h(a + b): functions unless the brackets hold a sum.
FACTOR_LETTERS = frozenset("hFGHPQW")

ONE_TO_NINETEEN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
)
ONES = tuple(ONE_TO_NINETEEN.split())
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
NUMBER_WORDS: Mapping[str, int] = {
    **{word: value for value, word in enumerate(ONES)},
    **{word: 10 * value for value, word in enumerate(TENS, start=2)},
}
