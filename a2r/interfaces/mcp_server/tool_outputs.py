"""What the tools give: their output schemas."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from a2r._internal.models import FrozenModel
from a2r._internal.text import replace_surrogates
from a2r.answers import Cluster, Comparison, Kind
from a2r.result import Method, Result
from a2r.usage import add_known


class ToolOutput(FrozenModel):
    """Base of the outputs."""


class AnswerVotes(ToolOutput):
    """A group of samples with equivalent answers."""

    answer: str
    votes: int


class Solution(ToolOutput):
    """The result of a question; what is unknown is null."""

    answer: Annotated[
        str | None,
        Field(description="The final answer; null where the question has none but the solution"),
    ]
    method: Annotated[
        Method | None,
        Field(
            description="unanimous: the samples agreed; majority: most of them did; synthesized: a "
            "second model wrote the solution over theirs; selected: it chose one; "
            "majority_fallback: it failed, and the majority answers; single: one sample"
        ),
    ]
    agreement: Annotated[
        float | None,
        Field(description="The share of the answered samples that gave the most common answer"),
    ]
    solution: Annotated[str, Field(description="The whole solution that ends with the answer")]
    kind: Kind
    clusters: Annotated[
        list[AnswerVotes], Field(description="The samples' answers and their votes")
    ]
    samples: Annotated[int, Field(description="How many samples were drawn")]
    tokens: Annotated[
        int | None, Field(description="All tokens that were spent, prompts and completions")
    ]
    cost: Annotated[float | None, Field(description="What they cost, by the config's prices")]
    warnings: list[str]
    run_id: Annotated[str, Field(description="The whole result is the resource a2r://runs/RUN_ID")]

    @classmethod
    def from_result(cls, result: Result) -> Solution:
        """What a client gets of a result."""
        usage = result.usage.total
        return cls(
            answer=None if result.answer is None else replace_surrogates(result.answer),
            method=result.method,
            agreement=result.agreement,
            solution=replace_surrogates(result.text),
            kind=result.kind,
            clusters=[
                AnswerVotes(answer=replace_surrogates(c.answer), votes=c.votes)
                for c in result.clusters
            ],
            samples=len(result.samples),
            tokens=add_known(usage.prompt_tokens, usage.completion_tokens),
            cost=usage.cost,
            warnings=[replace_surrogates(warning) for warning in result.warnings],
            run_id=result.run_id,
        )


class AnswersCompared(ToolOutput):
    """Whether two answers are the same."""

    same: Annotated[bool, Field(description="They are equivalent")]
    undecided: Annotated[
        bool, Field(description="It could not be decided in time, and counts as different")
    ]

    @classmethod
    def from_comparison(cls, found: Comparison) -> AnswersCompared:
        """What a client gets of a comparison."""
        return cls(same=found.same, undecided=found.undecided)


class AnswerGroup(ToolOutput):
    """Equivalent answers."""

    answer: Annotated[str, Field(description="The first of them")]
    votes: Annotated[int, Field(description="How many they are")]
    positions: Annotated[
        list[int], Field(description="Where they stand in the list that was given, from 0")
    ]
    undecided: Annotated[
        bool,
        Field(description="A comparison with another group could not be decided in time"),
    ]


class AnswersClustered(ToolOutput):
    """Groups of equivalent answers, the largest first."""

    clusters: list[AnswerGroup]

    @classmethod
    def from_clusters(cls, found: list[Cluster]) -> AnswersClustered:
        """What a client gets of a clustering."""
        return cls(
            clusters=[
                AnswerGroup(
                    answer=replace_surrogates(cluster.answer),
                    votes=cluster.votes,
                    positions=list(cluster.samples),
                    undecided=cluster.undecided,
                )
                for cluster in found
            ]
        )
