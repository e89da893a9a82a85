"""The command line of a vLLM server: its flags from the config, and its display without secrets."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from a2r._internal.secret_redaction import REDACTED, redact
from a2r.config import RoleConfig
from a2r.config.vllm import VllmConfig

PLAIN_FLAGS = (
    "max_model_len",
    "dtype",
    "enable_prefix_caching",
    "reasoning_parser",
    "gpu_memory_utilization",
    "stream_interval",
)


def python_command(vllm: VllmConfig, folder: Path) -> str:
    """The Python interpreter that runs vLLM; a relative path starts at the config's folder."""
    if vllm.python is None:
        return sys.executable
    path = Path(vllm.python).expanduser()
    return str(folder / path) if len(path.parts) > 1 else vllm.python


def config_arguments(role: RoleConfig, vllm: VllmConfig, loaded_model: str) -> list[str]:
    """The arguments of vLLM's server that a role's config sets, without address and model."""
    arguments = []
    if loaded_model != role.model:
        arguments += ["--served-model-name", role.model]
    for size in ("tensor_parallel_size", "data_parallel_size"):
        if getattr(vllm, size) > 1:
            arguments += _flag(size, getattr(vllm, size))
    for flag in PLAIN_FLAGS:
        arguments += _flag(flag, getattr(vllm, flag))
    for flag, value in vllm.flags.items():
        arguments += _flag(flag, value)
    return arguments


def _flag(name: str, value: Any) -> list[str]:
    head, dot, rest = name.partition(".")
    flag = f"{head.replace('_', '-')}{dot}{rest}"
    match value:
        case None:
            return []
        case True:
            return [f"--{flag}"]
        case False:
            return [f"--no-{flag}"]
        case list():
            return [f"--{flag}", *map(_word, value)]
        case _:
            return [f"--{flag}", _word(value)]


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def redact_command(
    words: Sequence[str], reference: Callable[[str], str], quote: Callable[[str], str]
) -> list[str]:
    """The words of a command for display; secrets are references to variables.

    The value of `--hf-token` is shown as the variable `HF_TOKEN`. Inside JSON, secrets are hidden.

    Args:
        words: the command, word by word.
        reference: formats the reference to a variable.
        quote: quotes all other words.
    """
    shown = []
    for flag, word in with_flags(words):
        redacted = redact(word, flag)
        if redacted == REDACTED:
            shown.append(reference(re.sub(r"\W", "_", flag).upper()))
        else:
            shown.append(quote(redacted))
    return shown


def with_flags(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each word with the flag that it is a value of; empty for the flag itself."""
    flag = ""
    for word in words:
        if word.startswith("--"):
            flag = word.removeprefix("--")
            yield "", word
        else:
            yield flag, word
