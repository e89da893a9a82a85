"""Logging with structlog over the standard logger `a2r`, without output until configured.

Model text and questions are logged at level debug only; API keys are never logged.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TextIO

import structlog
from structlog.typing import Processor

LogFormat = Literal["console", "json"]
LOGGER = "a2r"

logging.getLogger(LOGGER).addHandler(logging.NullHandler())


PROCESSORS: tuple[Processor, ...] = (
    structlog.stdlib.filter_by_level,
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
)


def get_logger() -> structlog.stdlib.BoundLogger:
    """Return a2r's logger, with the run, role, sample and endpoint bound in this context."""
    return structlog.stdlib.BoundLogger(logging.getLogger(LOGGER), PROCESSORS, {})


def is_logged(level: Literal["debug", "info"]) -> bool:
    """Whether a level is logged; check it before building an expensive message."""
    return logging.getLogger(LOGGER).isEnabledFor(getattr(logging, level.upper()))


@contextmanager
def bound_context(**values: object) -> Iterator[None]:
    """Bind values to all log lines of this context.

    Like `structlog.contextvars.bound_contextvars`, which searches the full context first.
    """
    tokens = structlog.contextvars.bind_contextvars(**values)
    try:
        yield
    finally:
        structlog.contextvars.reset_contextvars(**tokens)


def configure_logging(
    log_format: LogFormat, level: str = "info", stream: TextIO | None = None
) -> None:
    """Send a2r's logs to `stream` (default: stderr) as console lines or one JSON object per line.

    Raises:
        ValueError: the level is not a level of the standard `logging` module.
    """
    stream = stream or sys.stderr
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        # Without the local variables of each frame, which contain questions and keys.
        else structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    # The console renderer formats exceptions itself.
    exceptions = [structlog.processors.format_exc_info] if log_format == "json" else []
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *exceptions,
                renderer,
            ]
        )
    )
    logger = logging.getLogger(LOGGER)
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
