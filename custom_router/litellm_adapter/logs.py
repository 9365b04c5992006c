"""Our log lines among LiteLLM's: as JSON where it writes JSON, else in its plain form with the request's id."""

from __future__ import annotations

import logging

from litellm._logging import redact_secrets

from custom_router.log_context import FIELD, mark_log_records


class _Plain(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s - tier-router:%(levelname)s: %(filename)s:%(lineno)s - %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        request_id = getattr(record, FIELD, None)
        suffix = f" [{FIELD}={request_id}]" if request_id else ""
        message, _, rest = redact_secrets(super().format(record)).partition("\n")
        return f"{message}{suffix}" + (f"\n{rest}" if rest else "")


class _WhereNobodyElse(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes only while the root logger has no handler: LiteLLM gives it one for `json_logs`, and that is enough."""

    def handle(self, record: logging.LogRecord) -> bool:
        return not logging.getLogger().handlers and super().handle(record)


def set_up_logs() -> None:
    """Give our loggers a handler, once a process. Without one Python writes bare messages without time or level."""
    mark_log_records()
    logger = logging.getLogger(__name__.partition(".")[0])
    if not any(isinstance(handler, _WhereNobodyElse) for handler in logger.handlers):
        handler = _WhereNobodyElse()
        handler.setFormatter(_Plain())
        logger.addHandler(handler)
