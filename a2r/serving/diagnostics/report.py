"""What a check of one endpoint found."""

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
    """Something that does not fit; with an error the config would not work."""

    kind: Severity
    text: str


@dataclass(frozen=True, kw_only=True)
class EndpointReport:
    """One endpoint of one role; what could not be found out is `None`.

    `context` is in tokens, `first_token` in seconds from the request to the first token of a
    reply, `speed` in tokens a second after that. `reasoning` is where the thinking comes: apart
    from the text, as a reasoning parser has it, or in it. `usage` is when the tokens spent are
    told: along the stream, at its end, or never. `tokenize` is whether vLLM's `/tokenize` is there.
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
        """Whether nothing was found that keeps the role from using the endpoint."""
        return not any(finding.kind == "error" for finding in self.findings)

    def with_findings(self, findings: Iterable[Finding]) -> EndpointReport:
        """This report with other findings."""
        return replace(self, findings=tuple(findings))

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {**asdict(self), "works": self.is_usable}
