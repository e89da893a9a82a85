"""The exam of `a2r.answers`: its cases, how they are judged, and the report of `make exam`.

Cases are data, one JSON object a line, one file a category: `equivalence/` holds pairs and whether
they are the same; `grading/` pairs of an answer and a gold; `extraction/` texts and their answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from a2r.answers import equivalent, extract, grade
from a2r.answers.parsing.normalize import normalize

FOLDER = Path(__file__).parent / "answers"
PARTS = ("equivalence", "grading", "extraction")
Case = dict[str, Any]
Judge = Callable[[Case], bool | None]


@dataclass(frozen=True, kw_only=True)
class Category:
    """The cases of one file."""

    part: str
    name: str
    cases: list[Case]


@dataclass(kw_only=True)
class Score:
    """What a judge claimed: rightly, wrongly, and what it should have claimed but did not."""

    hits: int = 0
    false: int = 0
    missed: int = 0
    wrong: list[Case] = field(default_factory=list)

    def add(self, case: Case, claim: bool | None) -> None:
        """Count a claim: right, wrong, or `None` for none (not the same; no answer found)."""
        self.hits += claim is True
        self.false += claim is False
        self.missed += expected(case) and claim is not True
        if claim is False or (expected(case) and claim is None):
            self.wrong.append(case)

    @property
    def precision(self) -> float | None:
        """The share of its yeses that are right; `None` if it said none."""
        said = self.hits + self.false
        return self.hits / said if said else None

    @property
    def recall(self) -> float | None:
        """The share of the right ones that it found; `None` if there are none."""
        there = self.hits + self.missed
        return self.hits / there if there else None


def categories() -> Iterator[Category]:
    """Every category of the exam."""
    for part in PARTS:
        for path in sorted((FOLDER / part).glob("*.jsonl")):
            lines = path.read_text(encoding="utf-8").splitlines()
            yield Category(part=part, name=path.stem, cases=[json.loads(line) for line in lines])


def expected(case: Case) -> bool:
    """The verdict of a case; for a text, whether it gives an answer."""
    return bool(case["answer"] is not None) if "text" in case else bool(case["verdict"])


def ours(part: str) -> Judge:
    """What `a2r.answers` claims."""
    if part == "extraction":
        return _found
    compare = equivalent if part == "equivalence" else grade
    return lambda case: claimed(case, compare(case["pred"], case["gold"], case.get("kind", "math")))


def claimed(case: Case, same: bool) -> bool | None:
    """The claim that a pair is the same, by its verdict; `None` if that is not claimed."""
    return bool(case["verdict"]) if same else None


def _found(case: Case) -> bool | None:
    answer = extract(case["text"], case["kind"], case.get("question"))
    if answer is None:
        return None
    return case["answer"] is not None and equivalent(answer.text, case["answer"], case["kind"])


def math_verify(part: str) -> Judge:
    """math-verify as its documentation says: LaTeX delimited, the better of both orders."""
    from math_verify import parse, verify

    def same(first: str, second: str) -> bool:
        left, right = parse(first), parse(second)
        return bool(verify(left, right) or verify(right, left))

    def pair(case: Case) -> bool | None:
        return claimed(case, same(_delimited(case["gold"]), _delimited(case["pred"])))

    def text(case: Case) -> bool | None:
        if not parse(case["text"]):
            return None
        return case["answer"] is not None and same(_delimited(case["answer"]), case["text"])

    return text if part == "extraction" else pair


def strings(part: str) -> Judge | None:
    """Equality of normalised strings, the rule of most evaluation code."""
    if part == "extraction":
        return None
    return lambda case: claimed(case, normalised(case["pred"]) == normalised(case["gold"]))


def normalised(text: str) -> str:
    """A text without spaces, dollars, sizes of brackets and capitals."""
    return "".join(normalize(text).split()).lower()


def _delimited(text: str) -> str:
    return text if "$" in text or "\\boxed" in text else f"${text}$"


def score(category: Category, judge: Judge) -> Score:
    """The verdicts of a judge over a category."""
    result = Score()
    for case in category.cases:
        result.add(case, judge(case))
    return result


def main() -> int:
    """Print precision and recall of each category; 1 if ours is wrong anywhere."""
    import logging

    logging.disable(logging.CRITICAL)
    judges = "".join(f"  {name:>13}" for name in ("a2r", "math-verify", "strings"))
    print(f"{'category':37}{'cases':>6}{judges}")
    print(" " * 43 + "  prec.  recall" * 3)
    failed = 0
    for category in categories():
        all_of = (ours(category.part), math_verify(category.part), strings(category.part))
        scores = [None if judge is None else score(category, judge) for judge in all_of]
        failed += bool(scores[0] and scores[0].wrong)
        name = f"{category.part}/{category.name}"
        print(
            f"{name:37}{len(category.cases):6}  " + "  ".join(_cells(s) for s in scores), flush=True
        )
        for case in scores[0].wrong if scores[0] else []:
            print(f"    wrong: {json.dumps(case, ensure_ascii=False)}")
    return 1 if failed else 0


def _cells(scored: Score | None) -> str:
    if scored is None:
        return f"{'-':>6} {'-':>6}"
    return " ".join(
        f"{'-':>6}" if v is None else f"{v:6.3f}" for v in (scored.precision, scored.recall)
    )


if __name__ == "__main__":
    raise SystemExit(main())
