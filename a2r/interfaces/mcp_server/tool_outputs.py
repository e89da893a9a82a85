"""The output schemas of the tools."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from a2r._internal.models import FrozenModel
from a2r._internal.text import replace_surrogates
from a2r.answers import Cluster, Comparison, Kind
from a2r.result import Method, Result
from a2r.usage import add_known


class ToolOutput(FrozenModel):
    """Base of the tool outputs."""


class AnswerVotes(ToolOutput):
    """An answer and the number of samples with an equivalent one."""

    answer: str
    votes: int


class Solution(ToolOutput):
    """The result of a question; unknown values are null."""

    answer: Annotated[
        str | None,
        Field(description="The final answer; null if the solution has no separate final answer"),
    ]
    method: Annotated[
        Method | None,
        Field(
            description="unanimous: the samples agree; majority: most of them agree; synthesized: "
            "a second model wrote the solution based on theirs; selected: it chose one of theirs; "
            "majority_fallback: it failed, and the majority counts; single: one sample"
        ),
    ]
    agreement: Annotated[
        float | None,
        Field(description="The share of the most common answer in agreement_samples"),
    ]
    agreement_samples: Annotated[
        int | None,
        Field(
            description="The number of samples with an answer, or given up before they had one "
            "because they could not change the outcome or were late"
        ),
    ]
    solution: Annotated[str, Field(description="The complete solution, with the answer at its end")]
    kind: Kind
    clusters: Annotated[
        list[AnswerVotes], Field(description="The samples' answers and their votes")
    ]
    samples: Annotated[int, Field(description="The number of samples")]
    tokens: Annotated[int | None, Field(description="All tokens spent, of prompts and completions")]
    cost: Annotated[
        float | None, Field(description="The cost of the tokens, by the config's prices")
    ]
    warnings: list[str]
    run_id: Annotated[
        str, Field(description="The complete result is the resource a2r://runs/RUN_ID")
    ]

    @classmethod
    def from_result(cls, result: Result) -> Solution:
        """The output for a result."""
        usage = result.usage.total
        return cls(
            answer=None if result.answer is None else replace_surrogates(result.answer),
            method=result.method,
            agreement=result.agreement,
            agreement_samples=result.agreement_samples,
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

    same: Annotated[bool, Field(description="The answers are equivalent")]
    undecided: Annotated[
        bool,
        Field(description="The comparison was not decided in time; the answers count as different"),
    ]

    @classmethod
    def from_comparison(cls, comparison: Comparison) -> AnswersCompared:
        """The output for a comparison."""
        return cls(same=comparison.same, undecided=comparison.undecided)


class AnswerGroup(ToolOutput):
    """Equivalent answers."""

    answer: Annotated[str, Field(description="The first answer of the group")]
    votes: Annotated[int, Field(description="The number of answers in the group")]
    positions: Annotated[
        list[int], Field(description="The indices of the answers in the argument, from 0")
    ]
    undecided: Annotated[
        bool,
        Field(description="A comparison with another group was not decided in time"),
    ]


class AnswersClustered(ToolOutput):
    """Groups of equivalent answers, the largest first."""

    clusters: list[AnswerGroup]

    @classmethod
    def from_clusters(cls, clusters: list[Cluster]) -> AnswersClustered:
        """The output for clusters."""
        return cls(
            clusters=[
                AnswerGroup(
                    answer=replace_surrogates(cluster.answer),
                    votes=cluster.votes,
                    positions=list(cluster.samples),
                    undecided=cluster.undecided,
                )
                for cluster in clusters
            ]
        )
