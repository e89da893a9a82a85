"""Normalize typography: Unicode symbols, LaTeX spacing, fonts, emphasis and wrappers."""

from __future__ import annotations

import re
import unicodedata

from a2r.answers.parsing.natural_language import is_word

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
        "≅": r"\cong ", "≡": r"\equiv ", "±": r"\pm ", "∓": r"\mp ", "∞": r"\infty ",
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
        "ζ": r"\zeta ", "η": r"\eta ", "κ": r"\kappa ", "ν": r"\nu ", "ξ": r"\xi ",
        "τ": r"\tau ", "χ": r"\chi ", "ψ": r"\psi ", "ϕ": r"\phi ", "ϵ": r"\epsilon ",
        "Γ": r"\Gamma ", "Θ": r"\Theta ", "Λ": r"\Lambda ", "Ξ": r"\Xi ", "Σ": r"\Sigma ",
        "Φ": r"\Phi ", "Ψ": r"\Psi ", "ℓ": r"\ell ", "∇": r"\nabla ",
        "⊂": r"\subset ", "⊃": r"\supset ", "⊆": r"\subseteq ", "⊇": r"\supseteq ",
        "∀": r"\forall ", "∃": r"\exists ", "¬": r"\neg ", "⊕": r"\oplus ", "⊗": r"\otimes ",
        "∥": r"\parallel ", "⊥": r"\perp ", "∣": r"\mid ", "∤": r"\nmid ",
        "←": r"\leftarrow ", "↔": r"\leftrightarrow ", "⇐": r"\Leftarrow ",
        "⇔": r"\Leftrightarrow ", "∝": r"\propto ", "∼": r"\sim ", "≃": r"\simeq ",
        "≪": r"\ll ", "≫": r"\gg ", "≺": r"\prec ", "≻": r"\succ ", "∘": r"\circ ",
        "²": "^{2}", "³": "^{3}",
    }
)  # fmt: skip
# Mathematical alphabets whose letters are other symbols than the plain letters.
ALPHABETS = (("SCRIPT", "mathcal"), ("FRAKTUR", "mathfrak"), ("DOUBLE-STRUCK", "mathbb"))

SPACING = re.compile(
    r"(?P<row>\\\\(?:\s*\[[^\]\n]{0,12}\])?)|(?P<negative>\\!\s*)"
    r"|\\(?:[,;:> ()\[\]]|enspace|thinspace|hspace\*?\{[^{}]*\}|hfill)|\\?\$"
    # A tie is a space after a digit, a brace or a word, and before a word; else a sign.
    r"|(?:(?<=[\d}.])|(?<=[^\W\d_][^\W\d_]))~(?=[^\W\d_]|[\\({])(?!~\\triangle)|(?<=\{)~|(?<=\s)~(?=\\)"
)
SIZES = re.compile(
    r"\\(?:left|right|mleft|mright|middle|[bB]igg?[lrm]?|displaystyle|textstyle|limits|nolimits"
    r"|rm|bf|it|boldsymbol|bm|mathbf|mathit|pmb|ensuremath|vphantom\{[^{}]*\})"
    r"(?![A-Za-z])\s?(?:(?<=left)\.|(?<=right)\.|(?<=left )\.|(?<=right )\.)?"
)
NUMBER_SETS = re.compile(r"\\mathbb\s*+\{?\s*+([RZNQC])\s*\}?")
BRACED_MARK = re.compile(r"(?:(?<!\s)\s++)?\{\s*+([,.])\s*+\}\s*")
JOINED = re.compile(r"(?<=[\d)])or(?=[A-Z\d(-])")
# Spaces that only separate thousands.
GROUPED_DIGITS = re.compile(r"(?<=\d)(?:\\[,;:]|[\u2009\u202f])(?=\d{3}(?!\d))")
# The x of 3.5 x 10^3.
POWER_OF_TEN = re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*(?:\^|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]))")
# Roman type around a unit with exponents.
ROMAN = re.compile(r"\\(?:mathrm|text)\s*\{([^{}]*\^\{[^{}]*\}[^{}]*)\}")
REVERSED_BRACKETS = re.compile(
    r"(?<![\w)}])([\]\[])([^\[\](){};]*[,;][^\[\](){};]*)([\]\[])(?![\w(])"
)
SCRIPTS = re.compile(r"\\text(super|sub)script\s*\{([^{}]*)\}")
# A backslash between spaces, in plain text.
SET_DIFFERENCE = re.compile(r"(?<=[\w)}])\s\\\s+(?=[\w({\\])")
# Vectors in bold type.
BOLD_LETTER = re.compile(r"\\(?:mathbf|boldsymbol|bm)\s*\{\s*(\\?[A-Za-z]+)\s*\}")
US_DOLLARS = re.compile(r"\bUS(?=\\?\$)|\bUSD\s?(?=\d)")
MARKS = re.compile(r"\\(?:label|tag\*?|hline|nonumber|notag)(?:\{[^{}]*\})?")
ESCAPED_COMMAND = re.compile(r"\\\\(?=[A-Za-z])")
ESCAPED_SIGN = re.compile(r"\\([%&#_])")
WRAPPER = re.compile(
    r"^\\(?:boxed|fbox|framebox|underline|mathbf|bf|textbf)\s*\{(.*)\}$", re.DOTALL
)
PAIRED = ("**", "__", "```", "`", "*", "_", '"', "'")
IDENTIFIER = re.compile(r"__\w+__|\*\*\w+")
LAST_WORD = re.compile(r"(?<![\\\w])([^\W\d_]+)!$")
MAX_WRAPPERS = 20
ROWS = ("matrix", "array", "cases", "align", "split", "gather")


def normalize(text: str) -> str:
    """The text with ASCII and LaTeX commands instead of Unicode symbols, without formatting.

    Removes spacing commands, formula delimiters, bracket sizes, fonts and dollar signs; the rows
    of a matrix stay separate.
    """
    text = ROMAN.sub(r"\1", GROUPED_DIGITS.sub("", text))
    text = POWER_OF_TEN.sub(r"\\times ", text)
    text = SCRIPTS.sub(lambda m: f"{'^' if m[1] == 'super' else '_'}{{{m[2]}}}", text)
    text = SET_DIFFERENCE.sub(r" \\setminus ", text.replace("per cent", "percent"))
    text = VULGAR_FRACTION.sub(lambda m: _vulgar_fraction(m[0]), text.strip())
    text = US_DOLLARS.sub("", text)
    text = SUPERSCRIPT_RUN.sub(lambda m: "^{" + "".join(SUPERSCRIPTS[c] for c in m[0]) + "}", text)
    text = SUBSCRIPT_RUN.sub(lambda m: "_{" + "".join(SUBSCRIPTS[c] for c in m[0]) + "}", text)
    text = unicodedata.normalize("NFC", text).translate(SIGNS)
    if not text.isascii():
        text = "".join(map(_plain_character, text)).translate(SIGNS)
    if not any(rows in text for rows in ROWS):
        text = ESCAPED_COMMAND.sub(r"\\", text)
    text = JOINED.sub(" or ", BRACED_MARK.sub(r"\1", text))
    if r"\times" in text or r"\cdot" in text:
        text = BOLD_LETTER.sub(r"\\vec{\1}", text)
    text = NUMBER_SETS.sub(r"\\numbers\1 ", SPACING.sub(_space, MARKS.sub(" ", text)))
    text = ESCAPED_SIGN.sub(r"\1", SIZES.sub(" ", text))
    return REVERSED_BRACKETS.sub(_open_interval, unwrap(text))


def _open_interval(match: re.Match[str]) -> str:
    r"""An interval such as `]1, 2[` with `\lopen` and `\ropen` for its reversed brackets."""
    opening = r"\lopen " if match[1] == "]" else "["
    closing = r"\ropen " if match[3] == "[" else "]"
    return match[0] if match[1] + match[3] == "[]" else f"{opening}{match[2]}{closing}"


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
    if IDENTIFIER.fullmatch(text):
        return text
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
        last = LAST_WORD.search(text)
        return last is not None and is_word(last[1])
    return not text.endswith("...")


def _plain_character(character: str) -> str:
    """A Unicode variant of a character in plain form; other characters as they are."""
    kind, _, codes = unicodedata.decomposition(character).partition("> ")
    if not kind.startswith("<") or kind in ("<circle", "<square"):
        return character
    plain = "".join(chr(int(code, 16)) for code in codes.split())
    match kind:
        case "<super":
            return f"^{{{plain}}}"
        case "<sub":
            return f"_{{{plain}}}"
        case "<font":
            name = unicodedata.name(character, "")
            alphabet = next((command for word, command in ALPHABETS if word in name), None)
            if alphabet is not None and plain.isalpha():
                return f"\\{alphabet}{{{plain}}}"
    return unicodedata.normalize("NFKC", plain)


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
