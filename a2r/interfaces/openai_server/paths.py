"""Paths of requests: trailing slashes, and hints for paths that do not exist."""

from __future__ import annotations

API_ROOT = "/v1"
COMPLETIONS = "/chat/completions"
MODELS = "/models"


def normalize_path(path: str) -> str:
    """The path without trailing slashes."""
    return path.rstrip("/") or "/"


def correct_url(base_url: str, path: str) -> str:
    """What to use instead of a path that does not exist, as a sentence.

    Args:
        base_url: the URL of the server, with a trailing slash.
        path: the path of the request.
    """
    root = f"{base_url.rstrip('/')}{API_ROOT}"
    if path.endswith((COMPLETIONS, MODELS)):
        route = COMPLETIONS if path.endswith(COMPLETIONS) else MODELS
        return f"Use {root}{route}: the base URL of a client is {root}."
    if path.startswith(f"{MODELS}/"):
        return f"Use {root}{path}: the base URL of a client is {root}."
    return (
        f"The API has only chat completions, at {root}{COMPLETIONS}, and {root}{MODELS}: the base "
        f"URL of a client is {root}."
    )
