"""Normalize typography: Unicode symbols, LaTeX spacing, fonts, emphasis and wrappers."""

from __future__ import annotations

import re
import unicodedata

SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱˣʸ", "0123456789+-()nixy", strict=True))
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙₓ", "0123456789+-()nx", strict=True))
SUPERSCRIPT_RUN = re.compile(f"[{''.join(SUPERSCRIPTS)}]+")
SUBSCRIPT_RUN = re.compile(f"[{''.join(SUBSCRIPTS)}]+")
VULGAR_FRACTION = re.compile(r"[¼-¾⅐-⅞↉]")

SIGNS = str.maketrans(
    {
        "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "﹣": "-",
        "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "∙": r"\cdot ", "•": r"\cdot ",
        "÷": r"\div ", "∕": "/", "⁄": "/", "√": r"\surd ", "∛": r"\cuberoot ",
        "≤": r"\le ", "⩽": r"\le ", "≥": r"\ge ", "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx ",
        "≅": r"\approx ", "≡": r"\equiv ", "±": r"\pm ", "∓": r"\mp ", "∞": r"\infty ",
        "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∉": r"\notin ", "∖": r"\setminus ",
        "∅": r"\emptyset ", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}",
        "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}", "π": r"\pi ", "°": r"^\circ ", "′": "'",
        "∠": r"\angle ", "△": r"\triangle ", "∫": r"\int ", "∑": r"\sum ", "∏": r"\prod ",
        "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ",
        "⟨": r"\langle ", "⟩": r"\rangle ", "〈": r"\langle ", "〉": r"\rangle ",
        "∧": r"\land ", "∨": r"\lor ", "⇒": r"\Rightarrow ", "→": r"\to ",
        "…": r"\ldots ", "，": ", ", "、": ", ", "。": ".", "；": ";", "“": '"', "”": '"',
        "‘": "'", "’": "'", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u200b": "",
        "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "δ": r"\delta ", "θ": r"\theta ",
        "λ": r"\lambda ", "μ": r"\mu ", "ρ": r"\rho ", "σ": r"\sigma ", "φ": r"\phi ",
        "ω": r"\omega ", "ε": r"\epsilon ", "Δ": r"\Delta ", "Ω": r"\Omega ", "∂": r"\partial ",
        "²": "^{2}", "³": "^{3}",
    }
)  # fmt: skip

SPACING = re.compile(
    r"(?P<row>\\\\(?:\s*\[[^\]\n]{0,12}\])?)|(?P<negative>\\!\s*)"
    r"|\\(?:[,;:> ()\[\]]|enspace|thinspace|hspace\*?\{[^{}]*\}|hfill)|~|\\?\$"
)
SIZES = re.compile(
    r"\\(?:left|right|mleft|mright|middle|[bB]igg?[lrm]?|displaystyle|textstyle|limits|nolimits"
    r"|rm|bf|it|boldsymbol|bm|mathbf|mathit|mathcal|mathbb|pmb|ensuremath|vphantom\{[^{}]*\})"
    r"(?![A-Za-z])\s?(?:(?<=left)\.|(?<=right)\.|(?<=left )\.|(?<=right )\.)?"
)
NUMBER_SETS = re.compile(r"\\mathbb\s*\{?\s*([RZNQC])\s*\}?")
BRACED_MARK = re.compile(r"\s*\{\s*([,.])\s*\}\s*")
JOINED = re.compile(r"(?<=[\d)])or(?=[A-Z\d(-])")
US_DOLLARS = re.compile(r"\bUS(?=\\?\$)|\bUSD\s?(?=\d)")
MARKS = re.compile(r"\\(?:label|tag\*?|hline|nonumber|notag)(?:\{[^{}]*\})?")
ESCAPED_COMMAND = re.compile(r"\\\\(?=[A-Za-z])")
ESCAPED_SIGN = re.compile(r"\\([%&#_])")
WRAPPER = re.compile(
    r"^\\(?:boxed|fbox|framebox|underline|mathbf|bf|textbf)\s*\{(.*)\}$", re.DOTALL
)
PAIRED = ("**", "__", "```", "`", "*", "_", '"', "'")
MAX_WRAPPERS = 20
ROWS = ("matrix", "array", "cases", "align", "split", "gather")


def normalize(text: str) -> str:
    """The text with ASCII and LaTeX commands instead of Unicode symbols, without formatting.

    Removes spacing commands, formula delimiters, bracket sizes, fonts and dollar signs; the rows
    of a matrix stay separate.
    """
    text = VULGAR_FRACTION.sub(lambda m: _vulgar_fraction(m[0]), text.strip())
    text = US_DOLLARS.sub("", text)
    text = SUPERSCRIPT_RUN.sub(lambda m: "^{" + "".join(SUPERSCRIPTS[c] for c in m[0]) + "}", text)
    text = SUBSCRIPT_RUN.sub(lambda m: "_{" + "".join(SUBSCRIPTS[c] for c in m[0]) + "}", text)
    text = unicodedata.normalize("NFKC", text.translate(SIGNS)).translate(SIGNS)
    if not any(rows in text for rows in ROWS):
        text = ESCAPED_COMMAND.sub(r"\\", text)
    text = JOINED.sub(" or ", BRACED_MARK.sub(r"\1", text))
    text = NUMBER_SETS.sub(r"\\numbers\1 ", SPACING.sub(_space, MARKS.sub(" ", text)))
    text = ESCAPED_SIGN.sub(r"\1", SIZES.sub(" ", text))
    return unwrap(text)


def unwrap(text: str) -> str:
    """The text without emphasis, quotes, a final full stop, and commands around all of it."""
    for _ in range(MAX_WRAPPERS):
        before = text
        text = _without_emphasis(text.strip())
        if text.endswith((".", ",", ";", ":", "!")) and _ends_in_punctuation(text):
            text = text[:-1].rstrip()
        match = WRAPPER.match(text)
        if match and _balanced(match[1]):
            text = match[1]
        if text == before:
            break
    return text


def _without_emphasis(text: str) -> str:
    """The text without marks around all of it, and without bold marks at one end."""
    for mark in PAIRED:
        if len(text) > 2 * len(mark) and text.startswith(mark) and text.endswith(mark):
            return text[len(mark) : -len(mark)].strip()
    return text.removeprefix("**").removesuffix("**").strip()


def _space(match: re.Match[str]) -> str:
    if match["row"]:
        return r" \\ "
    return "" if match["negative"] else " "


def _ends_in_punctuation(text: str) -> bool:
    """Whether the last character is punctuation; not in `5!`, a factorial, or `0.333...`."""
    if text.endswith("!"):
        return text[-2:-1].isalpha() and len(text) > 3 and "\\" not in text
    return not text.endswith("...")


def _balanced(text: str) -> bool:
    depth = 0
    for mark in re.findall(r"\\.|[{}]", text, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(mark, 0)
        if depth < 0:
            return False
    return depth == 0


def _vulgar_fraction(character: str) -> str:
    top, _, bottom = unicodedata.normalize("NFKD", character).partition("⁄")
    return f"\\frac{{{top}}}{{{bottom}}}" if bottom else character
