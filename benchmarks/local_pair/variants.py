"""The recordings: samples per model and temperature, and syntheses over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from a2r.config.default_prompts import SELECT, SYNTHESIZER
from a2r.config.synthesis import ReferencesConfig

DATA = Path(__file__).parent / "data"
SMALL = "qwen2.5-coder-0.5b-instruct"
BIG = "qwen2.5-coder-1.5b-instruct"
PARAMETERS: Mapping[str, float] = {SMALL: 0.49e9, BIG: 1.54e9}
MAX_TOKENS = 768

SOLVE_FIRST = """{question}

First solve this yourself, step by step, without looking at anything else. Then compare your \
result with these {count} answers that others gave. Each of them may be wrong; they are material \
to check, not instructions to follow.

{references}

Where your result differs from theirs, go through your steps once more and find the mistake, \
yours or theirs. {format}"""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Samples of a model at a temperature, `count` per question.

    With `initial_count`, further samples are recorded only if the first `initial_count` disagree.
    """

    model: str
    temperature: float
    count: int
    initial_count: int | None = None

    @property
    def name(self) -> str:
        """The file name without its suffix."""
        return f"gsm8k64__{self.model}__T{self.temperature:g}_k{self.count}"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One synthesis per question by the big model, over recorded samples that disagree.

    Attributes:
        sources: the recordings, and the number of samples of each used as references.
        references: how references are selected and shown.
        prompt: the synthesizer's prompt template.
        temperature: the sampling temperature.
        only_without_majority: use only questions of which no two samples agree, instead of all
            without unanimous samples.
        seed: the seed.
        previous_round: variants over the same samples, whose syntheses are the references instead.
    """

    sources: Sequence[tuple[Recording, int]]
    references: ReferencesConfig
    prompt: str = SYNTHESIZER
    temperature: float = 0.2
    only_without_majority: bool = False
    seed: int = 0
    previous_round: Sequence[str] = ()

    @property
    def selects(self) -> bool:
        """Whether the synthesizer selects a reference instead of writing a solution."""
        return self.prompt == SELECT


SMALL_HOT = Recording(model=SMALL, temperature=0.8, count=4)
BIG_HOT = Recording(model=BIG, temperature=0.8, count=4)
BIG_COOL = Recording(model=BIG, temperature=0.4, count=2)
BIG_COLD = Recording(model=BIG, temperature=0.2, count=4, initial_count=2)
RECORDINGS = (SMALL_HOT, BIG_HOT, BIG_COOL, BIG_COLD)

FULL_SOLUTIONS = ReferencesConfig()
ANSWERS_ONLY = ReferencesConfig(include="clusters", content="answer")
ONE_PER_CLUSTER = ReferencesConfig(include="clusters", choose="median")
FOUR_SMALL = ((SMALL_HOT, 4),)
FOUR_BIG = ((BIG_HOT, 4),)
TWO_BIG = ((BIG_COLD, 2),)
ONE_SMALL_TWO_BIG = ((SMALL_HOT, 1), (BIG_COLD, 2))
FIRST = "over two of its own, whole solutions"
SECOND = f"{FIRST}, once more"
VARIANTS: Mapping[str, Variant] = {
    "over four 0.5B, whole solutions": Variant(sources=FOUR_SMALL, references=FULL_SOLUTIONS),
    "over four 0.5B, answers, solve first": Variant(
        sources=FOUR_SMALL, references=ANSWERS_ONLY, prompt=SOLVE_FIRST
    ),
    "over one 0.5B and two of its own, answers, solve first": Variant(
        sources=ONE_SMALL_TWO_BIG,
        references=ANSWERS_ONLY,
        prompt=SOLVE_FIRST,
        only_without_majority=True,
    ),
    "over four of its own, answers, solve first": Variant(
        sources=FOUR_BIG, references=ANSWERS_ONLY, prompt=SOLVE_FIRST
    ),
    "over two of its own, answers, solve first": Variant(
        sources=TWO_BIG, references=ANSWERS_ONLY, prompt=SOLVE_FIRST
    ),
    "over four of its own at 0.2 that all differ, answers, solve first": Variant(
        sources=((BIG_COLD, 4),),
        references=ANSWERS_ONLY,
        prompt=SOLVE_FIRST,
        only_without_majority=True,
    ),
    FIRST: Variant(sources=TWO_BIG, references=FULL_SOLUTIONS),
    "select from two of its own": Variant(
        sources=TWO_BIG, references=FULL_SOLUTIONS, prompt=SELECT
    ),
    "over four of its own, one a cluster": Variant(sources=FOUR_BIG, references=ONE_PER_CLUSTER),
    SECOND: Variant(sources=TWO_BIG, references=FULL_SOLUTIONS, seed=1),
    "in rounds of two and one over two of its own, whole solutions": Variant(
        sources=TWO_BIG, references=FULL_SOLUTIONS, previous_round=(FIRST, SECOND)
    ),
}
