"""Token counts in the error messages of servers whose context is exceeded."""

from __future__ import annotations

import re
from dataclasses import dataclass

CONTEXT_TOKENS = re.compile(
    r"(?:context (?:length|window|size)|max_model_len)\D{0,40}?(\d{1,12})", re.IGNORECASE
)
# TGI, Anthropic, Google and Cohere name no context.
OTHER_LIMITS = re.compile(
    r"(?:max_new_tokens`? must be <=|must have less than|too long: \d{1,12} tokens >"
    r"|context limit: \d{1,12} \+ \d{1,12} >|number of tokens allowed|prompt cannot exceed)"
    r" \(?(\d{1,12})"
)
OTHER_OVERFLOWS = re.compile(
    r"(?:prompt|input) is too long|reduce the length of the (?:messages|prompt|input)",
    re.IGNORECASE,
)
PROMPT_TOKENS = re.compile(
    r"(\d{1,12})(?: tokens)? (?:input tokens|`inputs` tokens|in the messages|in your prompt"
    r"|from the input|of text input|\+ \d{1,12} >)"
)
OTHER_PROMPT_TOKENS = re.compile(r"(?:too long:|input token count) \(?(\d{1,12})")
REPLY_TOKENS = re.compile(
    r"(\d{1,12})(?: tokens)? (?:output tokens|`max_new_tokens`|in the output"
    r"|(?:in|for) the completion)"
)
REQUESTED_TOKENS = re.compile(r"(?:requested|resulted in|max_tokens=)(?: about)? ?(\d{1,12})")
LOWER_BOUND = re.compile(r"at least \d+")
# vLLM's message for a prompt that fills the context: no token is left for a reply.
NO_REPLY_TOKENS = re.compile(r"max_tokens must be at least 1, got (?:0|-\d+)")
MIN_REPLY_FRACTION = 0.25
OVERFLOW_WORDS = ("length", "size", "exceed", "window", "longer", "too long", "greater")

# Introduces the excess in the message of an error.
TOO_LONG = "too long by"


@dataclass(frozen=True, kw_only=True)
class ContextLimit:
    """A server's context and what a request needs of it, in tokens; `None` if not reported.

    `prompt` is the prompt alone, `requested` the prompt and the reply.
    """

    limit: int | None
    requested: int | None
    prompt: int | None = None

    @property
    def excess(self) -> int | None:
        """The number of tokens that the request exceeds the context by."""
        if self.limit is None or self.requested is None or self.requested <= self.limit:
            return None
        return self.requested - self.limit

    @property
    def max_reply_tokens(self) -> int | None:
        """The tokens left for a reply; see the function of this name."""
        if self.limit is None or self.prompt is None:
            return None
        return max_reply_tokens(self.prompt, self.limit)


def with_excess(excess: int, detail: str) -> str:
    """Return the detail of an error message, after the tokens that the request is too long by."""
    return f"{TOO_LONG} {excess} tokens: {detail}"


def max_reply_tokens(prompt: int, context: int) -> int | None:
    """Return the tokens left for a reply; `None` for less than a quarter of the context."""
    left = context - prompt
    return left if left >= MIN_REPLY_FRACTION * context else None


def context_limit(body: object, message: str) -> ContextLimit | None:
    """Return the limit in an error message; `None` if the error has another cause."""
    if NO_REPLY_TOKENS.search(message):
        return ContextLimit(limit=None, requested=None)
    if not _is_overflow(message):
        return None
    limit = CONTEXT_TOKENS.search(message) or OTHER_LIMITS.search(message)
    return _from_fields(body) or ContextLimit(
        limit=int(limit[1]) if limit else None,
        requested=_requested_tokens(message),
        prompt=_prompt_tokens(message),
    )


def _is_overflow(message: str) -> bool:
    if OTHER_LIMITS.search(message) or OTHER_OVERFLOWS.search(message):
        return True
    lowered = message.lower()
    names_context = "context" in lowered or "max_model_len" in lowered
    return names_context and any(word in lowered for word in OVERFLOW_WORDS)


def _from_fields(body: object) -> ContextLimit | None:
    """Return the limit from the fields `n_ctx` and `n_prompt_tokens` of llama.cpp."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return None
    limit, prompt = error.get("n_ctx"), error.get("n_prompt_tokens")
    if isinstance(limit, int) and isinstance(prompt, int):
        return ContextLimit(limit=limit, requested=prompt)
    return None


def _prompt_tokens(message: str) -> int | None:
    if LOWER_BOUND.search(message):
        return None
    prompt = PROMPT_TOKENS.search(message) or OTHER_PROMPT_TOKENS.search(message)
    return int(prompt[1]) if prompt else None


def _requested_tokens(message: str) -> int | None:
    # A server that stops counting at its limit does not report the length of the prompt.
    if LOWER_BOUND.search(message):
        return None
    prompt, reply = _prompt_tokens(message), REPLY_TOKENS.search(message)
    if prompt is not None and reply:
        return prompt + int(reply[1])
    total = REQUESTED_TOKENS.search(message)
    return int(total[1]) if total else prompt
