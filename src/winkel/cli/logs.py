"""The log of a process: JSON lines for machines, short coloured lines for a person at a terminal; on standard error."""

import logging
import os
import sys
from types import TracebackType
from typing import Any

import structlog

from winkel.config import check_level


def configure(level: str, role: str) -> None:
    """Send what this process logs to standard error: by structlog, by the standard library, and what ends it.

    Every line says event, level, timestamp, role and pid, whatever thread it comes from. Raises `ValueError` for an
    unknown level.
    """
    check_level(level)
    number = getattr(logging, level.upper())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        Signature(role),
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
    sys.excepthook = _uncaught


class Signature:
    """Adds who writes to each line."""

    def __init__(self, role: str) -> None:
        self._who = {"role": role, "pid": os.getpid()}

    def __call__(self, _: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        """Return the line, signed."""
        return event | self._who


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log what ends the process, as one line."""
    structlog.get_logger(__name__).error("stopped by an unexpected error", exc_info=(kind, error, trace))
