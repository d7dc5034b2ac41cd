"""Questions to an OpenAI-compatible chat endpoint, which may be slow, endless, or no friend: each has limits in all.

What the endpoint answers counts only if it comes from the address that the study names.
"""

import re
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from json import JSONDecodeError
from threading import Lock
from typing import Any

import httpx2
from openai import (
    AuthenticationError,
    BadRequestError,
    DefaultHttpxClient,
    NotFoundError,
    OpenAI,
    OpenAIError,
    PermissionDeniedError,
)

from pipeline.base.bounded import bounded
from pipeline.base.chat_params import Endpoint
from pipeline.corpus.answers import scrubbed

MOST_BYTES = 1 << 22  # of one answer; a summary has a few thousand


class Unusable(OpenAIError):
    """What came is not read; another try would bring the same."""


class Redirected(OpenAIError):
    """The endpoint sends its clients to another address, which is not asked."""


class ChatClient:
    """May be asked by several threads at a time."""

    def __init__(self, settings: Endpoint, key: str) -> None:
        self._settings = settings
        self._lock = Lock()
        self._limits: dict[str, Any] = {"max_tokens": settings.max_tokens}
        self._drawn: dict[str, Any] = {} if settings.temperature is None else {"temperature": settings.temperature}
        client = _Client(settings.timeout_seconds)
        self._client = OpenAI(
            base_url=settings.base_url, api_key=key, max_retries=settings.retries, timeout=settings.timeout_seconds,
            http_client=client,
        )  # fmt: skip

    def ask(self, content: str | Sequence[Mapping[str, Any]]) -> Any:
        """What came, as the client reads it, unchecked; None for what it cannot read. Raises `OpenAIError`.

        `content` is that of the one message: a text, or parts of it. A model that refuses `max_tokens` is asked, from then on,
        as such models want to be.
        """
        message: Any = {"role": "user", "content": content}
        while True:
            limits = self._limits
            try:
                return self._client.chat.completions.create(
                    model=self._settings.model, messages=[message], **limits, **self._drawn
                )
            except JSONDecodeError:
                return None
            except BadRequestError as error:
                if "max_tokens" not in limits or "max_completion_tokens" not in str(error):
                    raise
                self._change_limits()

    def _change_limits(self) -> None:
        with self._lock:
            if "max_tokens" in self._limits:
                self._limits = {"max_completion_tokens": self._settings.max_tokens}
                print(f"{self._settings.model} refuses max_tokens: it is asked with max_completion_tokens")


def refusal_of_all(error: Exception, settings: Endpoint, *, where: str, variable: str, key: str) -> str:
    """What to do where an error would meet every question alike; empty for one that may be its question's alone.

    `where` is the key of the parameters that hold `settings`, `variable` that of the environment that holds the `key`.
    """
    address = settings.base_url
    said = scrubbed(" ".join(str(error).split()), key)
    if isinstance(error, AuthenticationError | PermissionDeniedError):
        return f"{address} refuses the key in {variable} ({type(error).__name__})"
    if isinstance(error, Redirected):
        return f"{address} sends requests on to {said[:200]}; set {where}base_url to where the endpoint is"
    if isinstance(error, NotFoundError):
        return f"{address} knows no model {settings.model}, or is no endpoint ({said[:200]}); set {where}model or {where}base_url"
    if not isinstance(error, BadRequestError):
        return ""
    lower = said.lower()
    if "temperature" in lower and ("unsupported" in lower or "not support" in lower):
        return f"{settings.model} refuses temperature {settings.temperature}; set {where}temperature: null, which sends none"
    if "limit-mm-per-prompt" in lower or re.search(r"at most \d+ (image|picture|video)", lower):
        return (
            f"{address} takes fewer images than {where}frames asks for ({said[:200]}); lower that, or start vLLM with "
            """--limit-mm-per-prompt '{"image": N}'"""
        )
    if "not a multimodal model" in lower or re.search(r"model does(n't| not) support (image|vision)", lower):
        return f"{settings.model} takes no images ({said[:200]}); ask a model that does, or for the text alone"
    return ""


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
