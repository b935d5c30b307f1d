"""What a client is told that gets no answer: a status and a sentence, in the shape of OpenAI's."""

from __future__ import annotations

from typing import Any

_KINDS = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


class Refusal(Exception):  # noqa: N818 - an answer to a client, not a fault of the program
    """A request that gets no answer.

    `param` names the field at fault, `code` is a word for programs, `retry_s` says after how many
    seconds it is worth asking again.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry_s = retry_s

    def to_json(self) -> dict[str, Any]:
        """The body of the answer."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {
            "error": {
                "message": self.message,
                "type": _KINDS.get(self.status, kind),
                "param": self.param,
                "code": self.code,
            }
        }

    def headers(self) -> dict[str, str]:
        """Those of the answer."""
        headers = {"X-Should-Retry": "false"} if self.retry_s is None else {}
        if self.retry_s is not None:
            headers["Retry-After"] = str(self.retry_s)
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return headers
