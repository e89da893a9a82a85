"""What servers say of a request that is longer than their context."""

from __future__ import annotations

import re
from dataclasses import dataclass

LIMIT = re.compile(
    r"(?:context (?:length|window|size)|max_model_len)\D{0,40}?(\d{1,12})", re.IGNORECASE
)
INPUT = re.compile(
    r"(\d{1,12})(?: tokens)? (?:input tokens|in the messages|in your prompt|from the input)"
)
OUTPUT = re.compile(r"(\d{1,12})(?: tokens)? (?:output tokens|(?:in|for) the completion)")
TOTAL = re.compile(r"(?:requested|resulted in|max_tokens=)(?: about)? ?(\d{1,12})")
AT_LEAST = re.compile(r"at least \d+")
# vLLM's words for a prompt that fills its context: nothing is left for a reply.
NO_ROOM = re.compile(r"max_tokens must be at least 1, got (?:0|-\d+)")
MIN_ROOM = 0.25
KNOWN_CODES = ("length", "size", "exceed", "window", "longer", "too long", "greater")


@dataclass(frozen=True, kw_only=True)
class ContextLimit:
    """A server's context and what a request wanted of it, in tokens; `None` where untold.

    `given` is the prompt alone, `wanted` the prompt and the reply that was asked for.
    """

    limit: int | None
    requested: int | None
    prompt: int | None = None

    @property
    def excess(self) -> int | None:
        """By how many tokens the request was too long."""
        if self.limit is None or self.requested is None or self.requested <= self.limit:
            return None
        return self.requested - self.limit

    @property
    def room(self) -> int | None:
        """The tokens left for a reply beside the prompt, as `room_for_reply` has it."""
        if self.limit is None or self.prompt is None:
            return None
        return room_for_reply(self.prompt, self.limit)


def room_for_reply(prompt: int, context: int) -> int | None:
    """The tokens left for a reply; `None` where they are too few for one, less than a quarter."""
    left = context - prompt
    return left if left >= MIN_ROOM * context else None


def context_limit(body: object, message: str) -> ContextLimit | None:
    """The limit of which a refusal speaks; `None` if it speaks of something else."""
    if NO_ROOM.search(message):
        return ContextLimit(limit=None, requested=None)
    lowered = message.lower()
    if "context" not in lowered and "max_model_len" not in lowered:
        return None
    if not any(word in lowered for word in KNOWN_CODES):
        return None
    limit = LIMIT.search(message)
    return _from_fields(body) or ContextLimit(
        limit=int(limit[1]) if limit else None,
        requested=_requested_tokens(message),
        prompt=_prompt_tokens(message),
    )


def _from_fields(body: object) -> ContextLimit | None:
    """What llama.cpp says in fields of its own."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return None
    limit, wanted = error.get("n_ctx"), error.get("n_prompt_tokens")
    if isinstance(limit, int) and isinstance(wanted, int):
        return ContextLimit(limit=limit, requested=wanted)
    return None


def _prompt_tokens(message: str) -> int | None:
    given = None if AT_LEAST.search(message) else INPUT.search(message)
    return int(given[1]) if given else None


def _requested_tokens(message: str) -> int | None:
    # A server that stops counting at its limit does not know by how much a prompt is too long.
    if AT_LEAST.search(message):
        return None
    given, output = INPUT.search(message), OUTPUT.search(message)
    if given and output:
        return int(given[1]) + int(output[1])
    total = TOTAL.search(message)
    if total:
        return int(total[1])
    return int(given[1]) if given else None
