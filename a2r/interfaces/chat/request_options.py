"""What a chat request asks for beside its messages, as overrides of a config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from a2r.config import Config
from a2r.config.field_types import MAX_SEED
from a2r.errors import OptionError
from a2r.result import Role

# What is bounded or decided here, and so is no further parameter.
A2R_OPTIONS = frozenset(
    {"max_completion_tokens", "max_tokens", "response_format", "stop", "temperature", "top_p"}
)


@dataclass(frozen=True, kw_only=True)
class ChatOptions:
    """Options in the words of OpenAI's API; what is `None` or empty is left to the config.

    `max_tokens` bounds every call, under what the config allows; `temperature`, `top_p`, `stop`
    and `extra` (further sampling parameters, sent as they are) hold for both roles. What is drawn
    greedily is always the same: a temperature or `top_p` of 0 holds for a role of which a single
    reply to each prompt is drawn alone. `seed` is the first sample's. `gate` holds keys of the
    gate's section.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: Sequence[str] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    response_format: Mapping[str, Any] | None = None
    samples: int | None = None
    kind: str | None = None
    gate: Mapping[str, Any] = field(default_factory=dict)

    def overrides(self, config: Config, *, choice: int = 0) -> dict[str, Any]:
        """The options as values over a config, for the `choice`-th of several results.

        With a seed, each choice has seeds of its own; without one, those of the config, moved on.
        """
        named = sorted(A2R_OPTIONS & self.extra.keys())
        if named:
            raise OptionError(f"{named[0]!r} has a place of its own among the options", named[0])
        found = dict(self._question_overrides())
        for role in ("explorer", "synthesizer"):
            for key, value in self._role_overrides(config, role, choice):
                found[f"{role}.{key}"] = value
        return found

    def _question_overrides(self) -> Iterator[tuple[str, Any]]:
        if self.samples is not None:
            yield "explorer.samples", self.samples
        if self.kind is not None:
            yield "kind", self.kind
        if self.response_format is not None:
            yield "kind", "json"
            yield "answers.response_format", dict(self.response_format)
        for key, value in self.gate.items():
            yield f"gate.{key}", value

    def _role_overrides(self, config: Config, name: Role, choice: int) -> Iterator[tuple[str, Any]]:
        role = config.role(name)
        if role is None:
            return
        yield from self._distribution_overrides(config, name)
        if self.max_tokens is not None:
            allowed = role.sampling.max_tokens
            limit = self.max_tokens if allowed is None else min(allowed, self.max_tokens)
            yield "sampling.max_tokens", limit
        base = role.sampling.seed if self.seed is None else self.seed
        if base is not None and (self.seed is not None or choice):
            yield "sampling.seed", (base + choice * self._max_calls(config)) % MAX_SEED
        extra = {**({"stop": list(self.stop)} if self.stop else {}), **self.extra}
        if extra:
            # As a whole: a dot in a parameter's name is no step into a section.
            yield "sampling.extra_body", {**role.sampling.extra_body, **extra}

    def _distribution_overrides(self, config: Config, name: Role) -> Iterator[tuple[str, Any]]:
        # Servers such as vLLM refuse a top_p of 0, which is the same as a temperature of 0.
        temperature = 0 if self.top_p == 0 else self.temperature
        if temperature == 0 and self._draws_several(config, name):
            temperature = self.temperature or None
        if temperature is not None:
            yield "sampling.temperature", temperature
        if self.top_p:
            yield "sampling.top_p", self.top_p

    def _draws_several(self, config: Config, name: Role) -> bool:
        """Whether a run may draw several replies of a role to the same prompt."""
        if name == "explorer":
            return self._max_samples(config) > 1
        own = config.synthesizer.samples if config.synthesizer else None
        most = max(config.synthesis.rounds or [own or 1])
        if config.graph == "cascade" and config.cascade.temperature is None:
            most = max(most, sum(config.cascade.waves))
        return most > 1

    def _max_samples(self, config: Config) -> int:
        return self.samples or sum(config.explorer.wave_sizes)

    def _max_calls(self, config: Config) -> int:
        """More than any run of the config makes, so that no two choices share a seed."""
        attempts = (config.synthesizer.samples or 1) if config.synthesizer else 0
        rounds = config.synthesis.rounds or [attempts]
        return self._max_samples(config) + sum(config.cascade.waves) + sum(rounds)

    def ineffective_options(self, config: Config) -> list[str]:
        """What was asked for and is not done, for whoever wants to know."""
        roles: tuple[Role, ...] = ("explorer", "synthesizer")
        refused = [
            role
            for role in roles
            if config.role(role) is not None and self._draws_several(config, role)
        ]
        greedy = {"temperature": self.temperature, "top_p": self.top_p}
        return [
            f"{name} 0 does not hold for the {' and the '.join(refused)}: samples need to differ"
            for name, value in greedy.items()
            if value == 0 and refused
        ]
