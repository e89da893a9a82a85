"""The sections of the second stage: `references`, `synthesis` and `cascade`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from a2r.config.field_types import Count, Number, Samples, Section

Waves = Annotated[list[Samples], Field(min_length=1, max_length=1000)]


class ReferencesConfig(Section):
    """The selection, content and order of the references in the synthesizer's prompt.

    When references are dropped, no answer loses its last one while another answer has two.

    Attributes:
        include: all `samples`, or `per_cluster` samples of each of the `clusters`.
        per_cluster: the number of samples of each cluster.
        choose: which samples of a cluster: the `first`, the `shortest`, or the `median` in length.
        content: the `solution` (the reply without its reasoning), or only the final `answer`.
        order: `shuffled` by the seed, or by descending `votes`.
        show_votes: state the number of votes of each reference.
        roles: the roles whose samples are included.
        context: the context length of the synthesizer in tokens; null: the server's.
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
    """The number of syntheses in each round; the vote of the last round decides.

    Null is one round of `synthesizer.samples`. Only the graph `rounds` uses more than one round. An
    empty list disables synthesis: the vote of the samples decides.
    """

    rounds: Annotated[list[Samples], Field(max_length=100)] | None = None


class CascadeConfig(Section):
    """The graph `cascade`: the synthesizer's model draws samples before it synthesizes.

    `waves` are the sizes of the waves of these samples, `temperature` is their temperature (null:
    that of `synthesizer.sampling`). `votes` selects the samples that vote once there are any:
    `all`, or only those of the `synthesizer`.
    """

    waves: Waves = Field(default_factory=lambda: [2])
    temperature: Annotated[Number, Field(ge=0)] | None = None
    votes: Literal["all", "synthesizer"] = "all"
