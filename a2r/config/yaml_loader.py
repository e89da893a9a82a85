"""Reading YAML strictly: no dates, no key twice, every fault one line."""

from __future__ import annotations

from typing import Any

import yaml

from a2r.errors import ConfigError

# Beside its own errors, PyYAML lets those of the constructors and of deep nesting through.
YAML_ERRORS = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError)
TIMESTAMP = "tag:yaml.org,2002:timestamp"


class StrictLoader(yaml.SafeLoader):
    """A safe loader that keeps dates as text and refuses a key that is given twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own form
        first: [(tag, pattern) for tag, pattern in resolvers if tag != TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping, if none of its keys is there twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice", key.start_mark
                )
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str, where: str) -> Any:
    """The value of a YAML text.

    Raises:
        ConfigError: the text is not YAML; the message begins with `where` and the line.
    """
    try:
        # A subclass of SafeLoader: it constructs plain values alone.
        return yaml.load(text, Loader=StrictLoader)
    except YAML_ERRORS as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}:{mark.line + 1}" if mark and "\n" in text.strip() else where
        problem = getattr(error, "problem", None) or "this is not a YAML value"
        raise ConfigError(f"{place}: {problem}") from error
