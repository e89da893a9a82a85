"""What a config may say of the second stage: references, rounds, and the cascade before it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from a2r.config.field_types import Count, Number, Samples, Section

Waves = Annotated[list[Samples], Field(min_length=1, max_length=1000)]


class ReferencesConfig(Section):
    """Which solutions the synthesizer is shown, how, and in which order.

    `take` all `samples`, or `each` many of every one of the `clusters`, the ones that `pick` says.
    `content` is the whole `solution` (its answer part) or the `answer` alone. `order` is
    `shuffled` by the seed, or by `votes`, most first; `votes` shows how many samples agreed with
    each. `roles` may leave out the samples of one role. Minority answers are never left out while
    another answer has two references.
    """

    include: Literal["samples", "clusters"] = "samples"
    per_cluster: Samples = 1
    choose: Literal["first", "shortest", "median"] = "first"
    content: Literal["solution", "answer"] = "solution"
    order: Literal["shuffled", "votes"] = "shuffled"
    show_votes: bool = False
    roles: Literal["all", "explorer", "synthesizer"] = "all"
    context: Count | None = None


class SynthesisConfig(Section):
    """The rounds of syntheses: how many each has; the vote of the last one counts.

    Null is one round of `synthesizer.samples`; of more than one, the graph `rounds` makes use.
    With none (`[]`) nothing is synthesized: the vote decides.
    """

    rounds: Annotated[list[Samples], Field(max_length=100)] | None = None


class CascadeConfig(Section):
    """The graph `cascade`: samples that the synthesizer's model draws before it synthesizes.

    `waves` are their numbers, `temperature` that of these samples (null: the synthesizer's own);
    `votes` says who votes once there are any: `all` samples, or those of the `synthesizer` alone.
    """

    waves: Waves = Field(default_factory=lambda: [2])
    temperature: Annotated[Number, Field(ge=0)] | None = None
    votes: Literal["all", "synthesizer"] = "all"
