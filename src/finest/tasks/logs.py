"""What a server process says: one line a request and what goes wrong, as text for people or JSON for collectors."""

from __future__ import annotations

import logging
import sys
from typing import Literal

from pythonjsonlogger.json import JsonFormatter

from finest.masking import mask_logs

LogFormat = Literal["text", "json"]
ACCESS = "finest.access"
"""The logger of requests."""
FIELDS = ("request_id", "address", "method", "path", "status", "duration_ms", "hotkey", "problem")
"""What is said of a request; its query, body and signature are not."""


class _Text(logging.Formatter):
    """A request in one line; what is not there is left out."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if record.name != ACCESS:
            return text
        said = (f"{name}={value}" for name in FIELDS if (value := getattr(record, name, None)) is not None)
        return f"{text} {' '.join(said)}"


def set_up_logs(form: LogFormat) -> None:
    """All loggers speak on standard error from now on."""
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
