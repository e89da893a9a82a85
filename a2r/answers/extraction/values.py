"""Which texts are values: mathematics, quantities, and short answers in words."""

from __future__ import annotations

import re

from a2r.answers.parsing.answer_parser import parse_answer
from a2r.answers.parsing.expression import Term, walk
from a2r.answers.parsing.normalize import unwrap
from a2r.answers.parsing.relations import is_solved

MAX_WORDS = 6
# A sentence with fewer words may be a value whose words distinguish it.
MIN_WORDS, MIN_EAST_ASIAN_CHARACTERS = 3, 2
WORDS = re.compile(r"[^\W\d_]{2,}")
# Words that start a sentence of reasoning rather than an answer.
REASONING_START = re.compile(
    r"(?:let['’]?s\b|let\s|first\b|firstly\b|to\s+(?:find|solve|determine|get|calculate|compute|answer|figure)\b"
    r"|step\b|sure\b|okay\b|ok\b|well\b|i(?:['’]ll|['’]m|\s+(?:will|need|have|am|think|can|know))\b"
    r"|we(?:['’]ll|['’]re|\s)|there (?:are|is|were|was)\b|(?:he|she|they|it|you)\s+\w+"
    r"|in order to\b"
    r"|since\b|because\b|if\b|given\b|voyons\b|mal sehen\b|vamos\b|primero\b|zuerst\b|d'abord\b"
    r"|让我们|首先|まず|먼저|давайте\b|сначала\b)",
    re.IGNORECASE,
)
# A number or date as the subject of a sentence.
COUNTED = re.compile(
    r"\\?[$€£]?\d[\d,./:]*%?\s+(?:\w+\s+){0,3}(?:is|are|was|were|ha[sd]|have|means?|costs?|equals?|makes?)\b"
)
SIGNED_WORD = re.compile(
    r"(?:grade |type |class "
    r"|score )?[A-Z][A-Za-z0-9]{0,4}[+-]{1,2}",
    re.IGNORECASE,
)
EAST_ASIAN = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
EAST_ASIAN_CONJUNCTION = re.compile(
    r"\\text\s*\{[^{}]*\}|和|或者?|与|及|以及|且|または|また|と|또는|과"
    r"|와"
)
EAST_ASIAN_DATE = ("年", "月", "日", "时", "時", "点", "号", "號", "년", "월", "일", "시")
AFTER_UNIT = re.compile(
    r"[,;]\s|\s(?:are|is|was|were|minus|plus|times|equals?|makes?|means?|costs?|ha[sd]|have|because|will|would|left|remain(?:s|ed|ing)?|more|each|in|to|for|on|at|that|which|after"
    r"|by|when|from|and|than|as|because|since|so|altogether|every|daily|now|total|restantes?"
    r"|übrig|left over)\b",
    re.IGNORECASE,
)
PROSE = re.compile(
    r"(?<![\\{])\b(?:are|was|were|because|means?|costs?|ha[sd]|have|each|will|would|which|equals|gives)\b"
)
NUMBER_SIGN = re.compile(r"no\.\s*\d+\w?", re.IGNORECASE)
TRUTH = re.compile(r"true|false|yes|no|valid|invalid", re.IGNORECASE)
EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u2712\u2715\u2716\u2728\ufe0f]+")
# Verbs that say what is left, as the only words beside a quantity.
REST = re.compile(
    r"\b(?:rimangono|restano|restam|sobram|quedan|restan|restent|reste|bleiben|verbleiben|übrig"
    r"|остал[оа]сь|останется|оста[её]тся)\b",
    re.IGNORECASE,
)
NUMBER = re.compile(
    r"\d{1,2}/\d{1,2}/\d{2,4}"
    r"|\\?[$€£¥]?(?<![A-Za-z0-9_.,])-?\d+(?:,\d{3})*(?:\.\d+)?(?:/\d+)?%?"
)
MONEY = re.compile(r"\$(?=\d+(?:,\d{3})*(?:\.\d+)?(?:[\s.,;!?)*]|$))")
CJK_TAIL = re.compile(
    r"(?:です|となる|となります|である|だ|입니다|이다|예요|이에요|\s?है|\s?हैं"
    r"|['’][dt][iıuü]r)?[。．।]?$"
)
EMPHASIS = re.compile(r"\*\*([^*\n]+)\*\*|__([^_\n]+)__")
FORMULA = re.compile(
    r"\$\$([^$]+)\$\$|\$([^$\n]+)\$|\\\(((?:(?!\\\()[^\n])+?)\\\)|\\\[((?:(?!\\\[).)+?)\\\]",
    re.DOTALL,
)
EMPTY = re.compile(
    r"^(?:not\b|nicht\b|no\b.+|unknown|undetermined|unclear|what\b|which\b|how\b|between\b|somewhere\b|in\b"
    r"|to\b|given\b|found\b|based\b|as\b|presented\b|follows|correct|wrong|incorrect|comprise\b|your\b"
    r"|the\s+(?:same|following|answer|final)\b|\.\.\.|…|\?|_+|[MD]{2}/[MD]{2}/Y{2,4}|ANSWER\b|什么|answer\b|obtained\b|simply\b.{30})",
    re.IGNORECASE,
)  # fmt: skip
INCOMPLETE = re.compile(
    r"(?:[=+*/^_({\[<,\\]|\\cdot|\\times|\\frac|\\approx|-|\b(?:and|or|the|of|a|an|between|with|for|to|in|is|are|from|by|than|that|if|as|then|so|but|which|because|where|when|minus|plus|times))$"
)
APPROXIMATE = re.compile(r"\\approx|≈|\\simeq")
EQUALS = re.compile(r"(?<![<>!\\=])=(?!=)")


def unemphasized(text: str) -> str:
    """The text without the marks of emphasis in Markdown."""
    return EMPHASIS.sub(lambda match: match[1] or match[2], text)


def strip_formatting(text: str) -> str:
    """The text without emphasis, quotes, formula delimiters and a full stop around it."""
    previous = None
    text = CJK_TAIL.sub("", text.rstrip(), count=1)
    while text != previous:
        previous = text
        text = unwrap(text.strip(" \t\n✓✅:：")).removesuffix("\\").strip()
        for left, right in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
            inner = text[len(left) : -len(right)]
            if text.startswith(left) and text.endswith(right) and inner and left not in inner:
                text = inner
    return text


def is_mathematics(text: str) -> bool:
    """Whether all of a text is one expression or mathematical structure."""
    if not text or EMPTY.match(text) or is_incomplete(text) or "\\boxed" in text:
        return False
    if EAST_ASIAN.search(EAST_ASIAN_CONJUNCTION.sub("", text)) or PROSE.search(text):
        return False
    term = parse_answer(text)
    if term.head == "text":
        return False
    if term.head == "opaque":
        return "\\" in text and not _is_wordy(text)
    if term.head == "quantity":
        return len(text.split()) <= MAX_WORDS + 2 and not AFTER_UNIT.search(text)
    return True


def is_wording(text: str) -> bool:
    """Whether a text is a short answer in words."""
    if not text or "\\boxed" in text or REASONING_START.match(text) or COUNTED.match(text):
        return False
    if EMPTY.match(text) and not NUMBER_SIGN.fullmatch(text):
        return False
    if is_incomplete(text) and not SIGNED_WORD.fullmatch(text):
        return False
    if not any(letter.isalnum() for letter in text):
        return False
    return len(text.split()) <= MAX_WORDS and len(text) <= 100 and "?" not in text


def is_prose(sentence: str) -> bool:
    """Whether a sentence has words beside its values, and no formula in which they count."""
    text = FORMULA.sub(" ", sentence)
    if len(EAST_ASIAN.findall(text)) >= MIN_EAST_ASIAN_CHARACTERS or REST.search(text):
        return True
    return len(WORDS.findall(re.sub(r"\\[A-Za-z]+", " ", text))) >= MIN_WORDS


def only_quantity(sentence: str) -> str | None:
    """The only number of a sentence, with its unit where nothing else follows."""
    number = emphasized_value(sentence)
    if number is not None:
        return number
    sentence = unemphasized(sentence)
    match = NUMBER.search(sentence)
    if match is None or len(NUMBER.findall(sentence)) != 1:
        return None
    if "$" in sentence.replace("\\$", "").replace(match[0], "").rstrip(" .")[:-1]:
        return None
    if sentence[match.end() :].startswith(EAST_ASIAN_DATE):
        return None
    quantity = strip_formatting(AFTER_UNIT.split(sentence[match.start() :])[0])
    return quantity if is_mathematics(quantity) else strip_formatting(match[0])


def emphasized_value(line: str) -> str | None:
    """The only value that stands alone in emphasis, such as 18 in `**18** apples`."""
    contents = [strip_formatting(match[1] or match[2]) for match in EMPHASIS.finditer(line)]
    values = [
        content
        for content in contents
        if TRUTH.fullmatch(content)
        or (
            any(c.isdigit() for c in content)
            and not EQUALS.search(content)
            and is_mathematics(content)
        )
    ]
    return values[0] if len(values) == 1 else None


def _is_wordy(text: str) -> bool:
    """Whether a text has prose between its formulas."""
    prose = re.sub(
        r"\\(?:text[a-z]*|mathrm|mbox|operatorname|begin|end)\s*\{[^{}]*\}|\\[A-Za-z]+", " ", text
    )
    return len(re.findall(r"(?<![A-Za-z])[^\W\d_]{3,}(?![A-Za-z])", prose)) >= 1


def is_incomplete(text: str) -> bool:
    """Whether a text is truncated: it ends in an operator or has an open bracket."""
    if INCOMPLETE.search(text.rstrip()) and not text.endswith((")", "\\}")):
        return True
    unescaped = re.sub(r"\\[{}$]", "", text)
    if unescaped.count("$") % 2:
        unescaped = MONEY.sub("", unescaped)
    return (
        unescaped.count("{") != unescaped.count("}")
        or (unescaped.count("$") % 2 == 1 and not unescaped.lstrip("-*").startswith("$"))
        or len(re.findall(r"[(\[]", text)) != len(re.findall(r"[)\]]", text))
    )


def _is_recursive(term: Term) -> bool:
    """Whether a function is defined by itself, as in `T(n) = 2T(n/2) + n`."""
    name = f"function:{term.value.partition('(')[0]}"
    return any(node.head == "call" and node.value == name for node in walk(term))


def shorten_claim(text: str) -> str:
    """The last value of a chain: 3 of `x = 3`, 11 of `5 + 6 = 11`, 1/3 of `x = 1/3 ≈ 0.33`."""
    term = parse_answer(text)
    exact = APPROXIMATE.split(text)[0].strip() if term.head != "opaque" else text
    if (
        exact
        and exact != text
        and not EQUALS.search(exact)
        and parse_answer(exact).head == "symbol"
    ):
        return strip_formatting(APPROXIMATE.split(text)[1])
    chain = [part.strip() for part in EQUALS.split(exact or text)]
    if len(chain) == 1:
        return strip_formatting(exact or text)
    is_value = (term.head == "assign" and not _is_recursive(term)) or (
        term.head not in ("set", "system", "equation", "opaque") and is_solved(term)
    )
    return (
        strip_formatting(chain[-1])
        if is_value and not is_incomplete(chain[-1])
        else strip_formatting(exact or text)
    )
