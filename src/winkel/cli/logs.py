"""The log of a process: JSON lines for machines, short coloured lines for a person at a terminal; on standard error."""

import logging
import sys
from typing import Any

import structlog

LEVELS = ("debug", "info", "warning", "error")


def configure(level: str) -> None:
    """Send what structlog and the standard library log to standard error. Raises `ValueError` for an unknown level."""
    if level not in LEVELS:
        raise ValueError(f"WINKEL_LOG_LEVEL must be one of {', '.join(LEVELS)}, but is {level!r}")
    number = getattr(logging, level.upper())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    person = sys.stderr.isatty()
    # plain: the pretty traceback shows local variables, and with them tokens
    renderer: Any = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if person
        else structlog.processors.JSONRenderer()
    )
    trace: list[Any] = [] if person else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*shared, *trace, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=[*shared, *trace]))
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)
