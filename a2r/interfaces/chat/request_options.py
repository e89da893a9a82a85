"""The options of a chat request beside its messages, as overrides of a config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from a2r.config import Config
from a2r.config.field_types import MAX_SEED
from a2r.errors import OptionError
from a2r.result import ROLES, Role

# These have a field of their own, with limits or a meaning that an extra parameter would bypass.
RESERVED_PARAMETERS = frozenset(
    {"max_completion_tokens", "max_tokens", "response_format", "stop", "temperature", "top_p"}
)


@dataclass(frozen=True, kw_only=True)
class ChatOptions:
    """Options with the names of OpenAI's API; `None` or empty leaves a value to the config.

    `max_tokens` limits every call, and cannot exceed the config's limit; `temperature`, `top_p`,
    `stop` and `extra` (further sampling parameters, passed through) apply to both roles. Greedy
    replies to one prompt are all the same, so a temperature or `top_p` of 0 applies only to a role
    that draws a single reply per prompt. `seed` is that of the first sample. `gate` holds keys of
    the config's gate section.
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
        """The options as overrides of a config, for one of several choices.

        No two choices share a seed: the seeds of later choices are shifted.

        Args:
            config: the config that the run uses.
            choice: the index of the choice, from 0.

        Raises:
            OptionError: `extra` has a parameter that has a field of its own.
        """
        reserved = sorted(RESERVED_PARAMETERS & self.extra.keys())
        if reserved:
            name = reserved[0]
            option = "max_tokens" if name == "max_completion_tokens" else name
            raise OptionError(f"{name!r} cannot go in 'extra': use the option {option!r}", name)
        overrides = dict(self._question_overrides())
        for role in ROLES:
            for key, value in self._role_overrides(config, role, choice):
                overrides[f"{role}.{key}"] = value
        return overrides

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
            limit = role.sampling.max_tokens
            max_tokens = self.max_tokens if limit is None else min(limit, self.max_tokens)
            yield "sampling.max_tokens", max_tokens
        base = role.sampling.seed if self.seed is None else self.seed
        if base is not None and (self.seed is not None or choice):
            yield "sampling.seed", (base + choice * self._max_calls(config)) % MAX_SEED
        extra = {**({"stop": list(self.stop)} if self.stop else {}), **self.extra}
        if extra:
            # One value for the complete mapping: a dot in a parameter's name is no path separator.
            yield "sampling.extra_body", {**role.sampling.extra_body, **extra}

    def _distribution_overrides(self, config: Config, name: Role) -> Iterator[tuple[str, Any]]:
        # Servers such as vLLM reject a top_p of 0, which means the same as a temperature of 0.
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
        attempts = config.synthesizer.samples if config.synthesizer else None
        max_replies = max(config.synthesis.rounds or [attempts or 1])
        if config.graph == "cascade" and config.cascade.temperature is None:
            max_replies = max(max_replies, sum(config.cascade.waves))
        return max_replies > 1

    def _max_samples(self, config: Config) -> int:
        if config.draws_one_sample:
            return 1
        return self.samples or sum(config.explorer.wave_sizes)

    def _max_calls(self, config: Config) -> int:
        """An upper bound of the calls of one run, so that no two choices share a seed."""
        attempts = (config.synthesizer.samples or 1) if config.synthesizer else 0
        rounds = config.synthesis.rounds or [attempts]
        return self._max_samples(config) + sum(config.cascade.waves) + sum(rounds)

    def ineffective_options(self, config: Config) -> list[str]:
        """Warnings about options that have no effect with this config."""
        roles = [
            role
            for role in ROLES
            if config.role(role) is not None and self._draws_several(config, role)
        ]
        single = config.draws_one_sample and (self.samples or 1) > 1
        greedy = {"temperature": self.temperature, "top_p": self.top_p}
        unused = [f"samples {self.samples} is ignored: the graph draws a single one"]
        return unused * single + [
            f"{name} 0 is ignored for the {' and the '.join(roles)}: samples need to differ"
            for name, value in greedy.items()
            if value == 0 and roles
        ]
