"""Logs: structlog over the standard library's logger `a2r`, silent until an application asks.

Model text and questions are logged at debug alone; API keys never.
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
    """The logger of a2r, with the run, role, sample and endpoint bound in this context."""
    return structlog.stdlib.BoundLogger(logging.getLogger(LOGGER), PROCESSORS, {})


def is_logged(level: Literal["debug", "info"]) -> bool:
    """Whether a level is logged at all: building a message that is dropped takes time, too."""
    return logging.getLogger(LOGGER).isEnabledFor(getattr(logging, level.upper()))


@contextmanager
def bound_context(**values: object) -> Iterator[None]:
    """Bind values to what is logged in this context.

    As `structlog.contextvars.bound_contextvars`, which looks through the whole context first.
    """
    tokens = structlog.contextvars.bind_contextvars(**values)
    try:
        yield
    finally:
        structlog.contextvars.reset_contextvars(**tokens)


def configure_logging(
    log_format: LogFormat, level: str = "info", stream: TextIO | None = None
) -> None:
    """Send a2r's logs to `stream` (stderr) as console lines or as one JSON object a line.

    Raises:
        ValueError: the level is not one of debug, info, warning, error.
    """
    stream = stream or sys.stderr
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        # Not with the variables of each frame, which hold questions and keys.
        else structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    # The console's renderer formats exceptions by itself.
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
