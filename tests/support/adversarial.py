"""Adversarial answer texts that try to hang, exhaust, or execute code in a parser."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

PAYLOADS = (
    "__import__('os').system('touch run')",
    "open('run', 'w').write('1')",
    "exec(\"open('run','w')\")",
    "eval(\"open('run','w')\")",
    "().__class__.__bases__[0].__subclasses__()",
    'f\'{open("run", "w")}\'',
    "lambda: open('run', 'w')",
    r"\operatorname{exec}(open('run','w'))",
    r"\variable{open('run','w')}",
    'S(\'__import__("os").system("touch run")\')',
    "Symbol('x').__class__",
    "Q.real(x)",
    r"\input{|touch run}",
    r"\write18{touch run}",
)
MATRIX = r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"
POWERS = r"\frac{\sin(\sin(\sin(\sin x)))-x}{x^{9}}"


def adversarial_texts(*, count: int, seed: int, batch_size: int) -> Iterator[list[str]]:
    """Yield lists of `together` adversarial texts, `count` texts in total, fixed by `seed`."""
    rng = random.Random(seed)
    generators = _generators(rng)
    for _ in range(count // batch_size):
        yield [_wrap(rng, rng.choice(generators)()) for _ in range(batch_size)]


def _wrap(rng: random.Random, text: str) -> str:
    template = rng.choice(["{}", "{}", r"\boxed{{{}}}", "The answer is {}.", "${}$"])
    return template.format(text) if "{" not in template.replace("{}", "") else rf"\boxed{{{text}}}"


def _generators(rng: random.Random) -> list[Callable[[], str]]:
    pick = rng.choice

    def nested(
        opening: str, inside: str, closing: str, depths: tuple[int, ...]
    ) -> Callable[[], str]:
        return lambda: opening * (n := pick(depths)) + inside + closing * n

    def repeated(part: str, counts: tuple[int, ...]) -> Callable[[], str]:
        return lambda: part * pick(counts)

    return [
        lambda: "^".join(str(rng.randint(2, 99)) for _ in range(rng.randint(3, 60))),
        nested("9^{", "9", "}", (3, 20, 300)),
        lambda: f"{rng.randint(10**4, 10**9)}!",
        lambda: rf"\binom{{{rng.randint(10**5, 10**12)}}}{{{rng.randint(10**4, 10**9)}}}",
        nested("{", "1", "}", (10, 1000, 100_000)),
        nested("(", "x", ")", (10, 50, 5000)),
        nested(r"\sqrt{", "2", "}", (5, 30, 500)),
        nested(r"\sqrt{2+", "2", "}", (5, 30)),
        nested(r"\frac{1}{", "x", "}", (5, 30, 200)),
        nested("f(", "x", ")", (5, 60)),
        nested(r"\text{", "x", "}", (5, 90)),
        repeated("x", (100, 1_000_000)),
        repeated("1", (100, 5000, 1_000_000)),
        repeated(r"\def\x{\x\x}\x", (5, 50)),
        repeated(r"\newcommand{\a}{\a\a}\a", (1, 20)),
        repeated("the answer is ", (5, 5000)),
        repeated(r"\boxed{", (3, 1000)),
        repeated("-", (9, 3000)),
        repeated("|", (9, 999)),
        repeated("$", (9, 9999)),
        repeated("\\", (9, 9999)),
        repeated("1:", (9, 999)),
        repeated(r"1\pm", (9, 300)),
        repeated("1,", (9, 3000)),
        repeated(MATRIX, (2, 60)),
        lambda: f"{MATRIX}^{{{rng.randint(10, 10**9)}}}",
        lambda: "\ud800" + chr(rng.randrange(0xD800, 0xE000)) + str(rng.random()),
        lambda: "".join(chr(rng.randrange(0x20, 0x3000)) for _ in range(40)),
        lambda: bytes(rng.randrange(256) for _ in range(40)).decode("latin-1"),
        lambda: (
            pick(["S", "Q", "N", "E", "I", "O", "C", "zoo", "nan", "beta", "None"])
            + pick(["", "(x)", "+1"])
        ),
        lambda: pick(PAYLOADS),
        lambda: r"\int_0^\infty " * rng.randint(1, 6) + r"e^{-x^{x^{x}}}\sin(\tan x)dx",
        lambda: rf"\sum_{{n=1}}^{{10^{{{rng.randint(5, 99)}}}}}\frac{{\sin n}}{{n!}}",
        lambda: rf"\prod_{{k=1}}^{{{rng.randint(10**3, 10**9)}}} k^k",
        lambda: rf"\lim_{{x\to 0}}{POWERS}",
        lambda: "+".join(
            f"{rng.randint(1, 9)}x^{rng.randint(1, 999)}" for _ in range(pick([10, 300]))
        ),
        lambda: f"(x+y+z+w)^{{{rng.randint(10, 10**6)}}}",
        lambda: f"1e{rng.randint(10, 10**9)}",
        lambda: "0." + "3" * pick([20, 9000]) + "...",
        lambda: "<".join(str(n) for n in range(pick([3, 900]))),
        lambda: "=".join("x" * pick([3, 900])),
        lambda: pick(
            [
                r"\frac{0}{0}",
                r"\frac{1}{0}",
                "0^0",
                r"\log_1 2",
                r"\log 0",
                "oo-oo",
                r"\infty-\infty",
            ]
        ),
    ]
