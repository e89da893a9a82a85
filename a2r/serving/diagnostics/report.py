"""The report of a check of one endpoint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from a2r.result import Role

Severity = Literal["error", "warning"]
Reasoning = Literal["separate", "in the text"]
UsageSupport = Literal["continuous", "final", "none"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A problem; with an error the config does not work."""

    kind: Severity
    text: str


@dataclass(frozen=True, kw_only=True)
class EndpointReport:
    """The report of one endpoint of one role; unknown values are `None`.

    Attributes:
        reachable: whether the endpoint answers.
        served: whether the endpoint serves the role's model.
        models: the models that the endpoint lists.
        context: the context length in tokens.
        reasoning: whether the reasoning is `separate` (by a reasoning parser) or `in the text`.
        first_token: the seconds from the request to the first token of a reply.
        speed: the tokens per second after the first token.
        usage: whether the endpoint reports usage during the stream, at its end, or never.
        tokenize: whether the endpoint supports vLLM's `/tokenize`.
        findings: the problems found.
    """

    role: Role
    endpoint: str
    model: str
    reachable: bool
    served: bool | None = None
    models: tuple[str, ...] = ()
    context: int | None = None
    reasoning: Reasoning | None = None
    first_token: float | None = None
    speed: float | None = None
    usage: UsageSupport | None = None
    tokenize: bool | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def is_usable(self) -> bool:
        """Whether no finding is an error."""
        return not any(finding.kind == "error" for finding in self.findings)

    def with_findings(self, findings: Iterable[Finding]) -> EndpointReport:
        """Return a copy with other findings."""
        return replace(self, findings=tuple(findings))

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {**asdict(self), "works": self.is_usable}
