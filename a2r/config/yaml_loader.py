"""Strict YAML: no dates, no duplicate keys, one-line errors without values."""

from __future__ import annotations

import re
from typing import Any

import yaml

from a2r.errors import ConfigError

# PyYAML also lets errors of its constructors and of deep nesting through.
YAML_ERRORS = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError)
TIMESTAMP = "tag:yaml.org,2002:timestamp"
# PyYAML quotes names of aliases, anchors and tags, which may be a secret that starts with one of
# the characters *, & and !. It quotes tokens as `'<scalar>'` and single characters, too.
QUOTED_NAME = re.compile(r""" ('(?!<)[^']{2,}'|"[^"]{2,}")""")


class DuplicateKeyError(yaml.constructor.ConstructorError):
    """A key of a mapping occurs twice."""


class StrictLoader(yaml.SafeLoader):
    """A safe loader that reads dates as text and rejects duplicate keys."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML defines it so
        first: [(tag, pattern) for tag, pattern in resolvers if tag != TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping without duplicate keys."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and isinstance(key, yaml.ScalarNode):
                raise DuplicateKeyError(None, None, f"duplicate key {key.value!r}", key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str, origin: str) -> Any:
    """Parse a YAML text.

    Raises:
        ConfigError: the text is not valid YAML; the message starts with `origin` and the line.
    """
    try:
        # StrictLoader is a SafeLoader: it constructs plain values only.
        return yaml.load(text, Loader=StrictLoader)
    except YAML_ERRORS as error:
        mark = getattr(error, "problem_mark", None)
        location = f"{origin}:{mark.line + 1}" if mark and "\n" in text.strip() else origin
        problem = getattr(error, "problem", None) or "invalid YAML value"
        if not isinstance(error, DuplicateKeyError):
            problem = QUOTED_NAME.sub("", problem)
        # The error itself quotes the text, which may hold a secret.
        raise ConfigError(f"{location}: {problem}") from None
