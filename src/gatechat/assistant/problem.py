"""The one shape of an error, as the Admin API has it: ``{"error_msg": "what was wrong and what to do"}``."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse


class Problem(Exception):
    """Ends a request. ``message`` is for the person or model that must act; it never carries a secret."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers

    def response(self) -> JSONResponse:
        return JSONResponse({"error_msg": self.message}, self.status, self.headers)
