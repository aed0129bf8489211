"""Log set-up of a server process: one line per request and the errors, as text for people or JSON for collectors."""

from __future__ import annotations

import logging
import sys
from typing import Literal

from pythonjsonlogger.json import JsonFormatter

from finest.masking import mask_logs

LogFormat = Literal["text", "json"]
ACCESS = "finest.access"
"""Name of the access logger, which writes one line per request."""
FIELDS = ("request_id", "address", "method", "path", "status", "duration_ms", "hotkey", "problem")
"""The logged fields of a request. Its query, body and signature are never logged."""


class _Text(logging.Formatter):
    """Formatter that appends the fields of a request to its line and leaves out missing ones."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if record.name != ACCESS:
            return text
        fields = (f"{name}={value}" for name in FIELDS if (value := getattr(record, name, None)) is not None)
        return f"{text} {' '.join(fields)}"


def set_up_logs(form: LogFormat) -> None:
    """Send all logs to standard error in the given format."""
    handler = logging.StreamHandler(sys.stderr)
    if form == "json":
        names = {"levelname": "level", "name": "logger"}
        handler.setFormatter(JsonFormatter("%(levelname)s %(name)s %(message)s", timestamp=True, rename_fields=names))
    else:
        handler.setFormatter(_Text("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    mask_logs()
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("alembic", "sqlalchemy", "websockets", "bittensor"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
