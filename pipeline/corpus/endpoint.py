"""Questions to an OpenAI-compatible chat endpoint, which may be slow, endless, or no friend: each has limits in all.

What the endpoint answers counts only if it comes from the address that the study names.
"""

import socket
from contextlib import suppress
from json import JSONDecodeError
from threading import Lock
from typing import Any

import httpx2
from openai import BadRequestError, DefaultHttpxClient, OpenAI, OpenAIError

from pipeline.base.bounded import bounded
from pipeline.base.dataset_params import Chat

MOST_BYTES = 1 << 22  # of one answer; a summary has a few thousand


class Unusable(OpenAIError):
    """What came is not read; another try would bring the same."""


class Redirected(OpenAIError):
    """The endpoint sends its clients to another address, which is not asked."""


class Endpoint:
    """May be asked by several threads at a time."""

    def __init__(self, settings: Chat, key: str) -> None:
        self._settings = settings
        self._lock = Lock()
        self._limits: dict[str, Any] = {"temperature": settings.temperature, "max_tokens": settings.max_tokens}
        client = _Client(settings.timeout_seconds)
        self._client = OpenAI(
            base_url=settings.base_url, api_key=key, max_retries=settings.retries, timeout=settings.timeout_seconds,
            http_client=client,
        )  # fmt: skip

    def ask(self, question: str) -> Any:
        """What came, as the client reads it, unchecked; None for what it cannot read. Raises `OpenAIError`.

        A model that refuses `temperature` or `max_tokens` is asked, from then on, as such models want to be.
        """
        while True:
            limits = self._limits
            try:
                return self._client.chat.completions.create(
                    model=self._settings.model, messages=[{"role": "user", "content": question}], **limits
                )
            except JSONDecodeError:
                return None
            except BadRequestError as error:
                if "temperature" not in limits or not _wants_other_limits(str(error)):
                    raise
                self._change_limits()

    def _change_limits(self) -> None:
        with self._lock:
            if "temperature" in self._limits:
                self._limits = {"max_completion_tokens": self._settings.max_tokens}
                print(
                    f"summaries: {self._settings.model} is asked without temperature, with max_completion_tokens for max_tokens: "
                    "it refuses the others"
                )


class _Client(DefaultHttpxClient):
    """Gives a request `seconds` in all and an answer `MOST_BYTES`; takes nothing that is compressed or comes from elsewhere."""

    def __init__(self, seconds: float) -> None:
        # A connection a request: what is given up can then be cut, and no thread goes on waiting for it.
        headers = {"Accept-Encoding": "identity", "Connection": "close"}
        super().__init__(timeout=seconds, follow_redirects=False, headers=headers)
        self._seconds = seconds

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        opened: list[socket.socket] = []

        def trace(event: str, info: dict[str, Any]) -> None:
            if event.endswith(("connect_tcp.complete", "start_tls.complete")):
                opened.append(info["return_value"].get_extra_info("socket"))

        request.extensions |= {"trace": trace}
        try:
            return bounded(lambda: self._read(request), self._seconds)
        except TimeoutError as error:
            for connection in opened:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            raise httpx2.ReadTimeout(str(error), request=request) from error

    def _read(self, request: httpx2.Request) -> httpx2.Response:
        response = super().send(request, stream=True, follow_redirects=False)
        try:
            if response.is_redirect:
                raise Redirected(response.headers.get("Location", "another address"))
            encoding = response.headers.get("Content-Encoding", "identity")
            if encoding != "identity":
                raise Unusable(f"the answer is compressed ({encoding[:40]}), which was not asked for")
            content = bytearray()
            for chunk in response.iter_raw():
                content += chunk
                if len(content) > MOST_BYTES:
                    raise Unusable(f"the answer has more than {MOST_BYTES} bytes")
        finally:
            response.close()
        return httpx2.Response(response.status_code, headers=response.headers, content=bytes(content), request=request)


def _wants_other_limits(complaint: str) -> bool:
    lower = complaint.lower()
    return "max_completion_tokens" in lower or ("temperature" in lower and ("unsupported" in lower or "not support" in lower))
