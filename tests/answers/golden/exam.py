"""The golden cases of `a2r.answers`, the judges, and the report of `make exam`.

The cases are JSON lines, one file per category: `equivalence/` holds pairs of answers and whether
they are the same, `grading/` answers and gold answers, `extraction/` texts and their answers.
`other_graders/cases.jsonl` has verdicts from the test suites of other graders, with their licences;
`disputed` is the reason why a verdict is held to be wrong.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from a2r.answers import equivalent, extract, grade
from a2r.answers.parsing.normalize import normalize
from tests.answers.golden.recordings import print_recordings

FOLDER = Path(__file__).parent
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
    """The correct, wrong and missing claims of a judge."""

    hits: int = 0
    false_claims: int = 0
    missed: int = 0
    wrong: list[Case] = field(default_factory=list)

    def add(self, case: Case, claim: bool | None) -> None:
        """Count a claim: correct, wrong, or `None` for no claim (not the same; no answer)."""
        self.hits += claim is True
        self.false_claims += claim is False
        self.missed += expected(case) and claim is not True
        if claim is False or (expected(case) and claim is None):
            self.wrong.append(case)

    @property
    def precision(self) -> float | None:
        """The share of correct claims among all claims; `None` without claims."""
        claims = self.hits + self.false_claims
        return self.hits / claims if claims else None

    @property
    def recall(self) -> float | None:
        """The share of the positive cases that were claimed; `None` without positive cases."""
        positives = self.hits + self.missed
        return self.hits / positives if positives else None


def categories() -> Iterator[Category]:
    """Every category of the exam."""
    for part in PARTS:
        for path in sorted((FOLDER / part).glob("*.jsonl")):
            lines = path.read_text(encoding="utf-8").splitlines()
            yield Category(part=part, name=path.stem, cases=[json.loads(line) for line in lines])


def expected(case: Case) -> bool:
    """The expected verdict of a case; for a text, whether it has an answer."""
    return bool(case["answer"] is not None) if "text" in case else bool(case["verdict"])


def other_graders() -> list[Case]:
    """The verdicts of other graders, each with its suite, test and licence."""
    lines = (FOLDER / "other_graders" / "cases.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def agrees(case: Case) -> bool:
    """Whether `grade` has the verdict of another grader."""
    return grade(case["pred"], case["gold"], case["kind"]) == bool(case["verdict"])


def a2r_judge(part: str) -> Judge:
    """The claims of `a2r.answers`."""
    if part == "extraction":
        return _extraction_claim
    compare = equivalent if part == "equivalence" else grade
    return lambda case: claimed(case, compare(case["pred"], case["gold"], case.get("kind", "math")))


def claimed(case: Case, same: bool) -> bool | None:
    """The claim for a pair: correct or wrong if the judge calls it the same, else `None`."""
    return bool(case["verdict"]) if same else None


def _extraction_claim(case: Case) -> bool | None:
    answer = extract(case["text"], case["kind"], case.get("question"))
    if answer is None:
        return None
    return case["answer"] is not None and equivalent(answer.text, case["answer"], case["kind"])


def math_verify_judge(part: str) -> Judge:
    """The claims of math-verify: LaTeX in delimiters, the better result of both orders."""
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


def string_judge(part: str) -> Judge | None:
    """The claims of equality of normalized strings, the rule of most evaluation code."""
    if part == "extraction":
        return None
    return lambda case: claimed(case, normalized(case["pred"]) == normalized(case["gold"]))


def normalized(text: str) -> str:
    """The text in lower case without spaces, dollar signs and bracket sizes."""
    return "".join(normalize(text).split()).lower()


def _delimited(text: str) -> str:
    return text if "$" in text or "\\boxed" in text else f"${text}$"


def score(category: Category, judge: Judge) -> Score:
    """The score of a judge over a category."""
    result = Score()
    for case in category.cases:
        result.add(case, judge(case))
    return result


def main() -> int:
    """Print precision and recall of each category; 1 if `a2r.answers` is wrong anywhere."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--recordings", type=Path, help="a folder of recorded samples to compare")
    folder = parser.parse_args().recordings
    logging.disable(logging.CRITICAL)
    failed = _print_categories() + _print_other_graders()
    if folder is not None:
        print_recordings(folder)
    return 1 if failed else 0


def _print_categories() -> int:
    """Print the scores of each category; return how many have a wrong verdict."""
    names = "".join(f"  {name:>13}" for name in ("a2r", "math-verify", "strings"))
    print(f"{'category':37}{'cases':>6}{names}")
    print(" " * 43 + "  prec.  recall" * 3)
    failed = 0
    for category in categories():
        judges = (make(category.part) for make in (a2r_judge, math_verify_judge, string_judge))
        scores = [None if judge is None else score(category, judge) for judge in judges]
        failed += bool(scores[0] and scores[0].wrong)
        name = f"{category.part}/{category.name}"
        print(
            f"{name:37}{len(category.cases):6}  " + "  ".join(_cells(s) for s in scores), flush=True
        )
        for case in scores[0].wrong if scores[0] else []:
            print(f"    wrong: {json.dumps(case, ensure_ascii=False)}")
    return failed


def _print_other_graders() -> int:
    """Print the agreement with other graders by suite and kind; return the undisputed rest."""
    disagreements = [case for case in other_graders() if not agrees(case)]
    print(f"\n{'suite of another grader':37}{'kind':>7}{'cases':>7}{'agreement':>11}")
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in other_graders():
        groups.setdefault((case["suite"], case["kind"]), []).append(case)
    for (suite, kind), cases in sorted(groups.items()):
        share = sum(case not in disagreements for case in cases) / len(cases)
        print(f"{suite:37}{kind:>7}{len(cases):>7}{share:>11.3f}")
    for case in disagreements:
        reason = case.get("disputed", "not disputed")
        pair = f"{case['pred']!r} for {case['gold']!r}, expected {case['verdict']}"
        print(f"    {case['suite']}, {case['kind']}: {pair} ({reason})")
    return sum("disputed" not in case for case in disagreements)


def _cells(score: Score | None) -> str:
    if score is None:
        return f"{'-':>6} {'-':>6}"
    return " ".join(
        f"{'-':>6}" if v is None else f"{v:6.3f}" for v in (score.precision, score.recall)
    )


if __name__ == "__main__":
    raise SystemExit(main())
