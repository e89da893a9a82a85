"""What `auto` means for a question."""

from __future__ import annotations

import re
from collections.abc import Iterable

from a2r.answers.boxes import last_box
from a2r.answers.choices import option_letters
from a2r.result import Kind

MATHS = re.compile(
    r"\d|\\(?:frac|sqrt|sum|int|begin)|\$[^$]+\$"
    r"|\b(?:how (?:many|much|old|far|long)|calculate|compute|evaluate|solve|simplify|integral"
    r"|derivative|probability|equation|sum of|product of|prove)\b",
    re.IGNORECASE,
)


def infer_kind(question: str, texts: Iterable[str] = ()) -> Kind:
    """The kind of answer that a question asks for, from its wording and the samples' texts.

    Lettered options make it `choice`, mathematical wording `math`; so does a boxed answer in
    most of the texts. Everything else is `text`, an open question.
    """
    if option_letters(question):
        return "choice"
    if MATHS.search(question):
        return "math"
    boxed = [last_box(text) is not None for text in texts]
    return "math" if boxed and sum(boxed) * 2 > len(boxed) else "text"
