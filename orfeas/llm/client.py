"""One client for any OpenAI-compatible endpoint: Ollama, vLLM, llama.cpp, hosted ones.

Source: OpenAI API reference, `GET /v1/models` and `POST /v1/chat/completions`.
"""

from __future__ import annotations

import ipaddress
import json
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from orfeas.config import Config
from orfeas.errors import LlmNotConfiguredError, LlmTimeoutError, LlmUnreachableError, UpstreamFailedError

NOT_CONFIGURED = (
    "No language model is configured. Set ORFEAS_LLM_URL to an OpenAI-compatible endpoint, such as "
    "http://127.0.0.1:11434/v1 of Ollama, and ORFEAS_LLM_MODEL to one of its models; ORFEAS_LLM_API_KEY if it asks "
    "for a key."
)
OFFLINE = "ORFEAS_OFFLINE=1 forbids to ask {host}; use a language model on this machine, or unset it."
LATE = "The language model at {host} did not answer in time; allow it more."
LARGEST_ANSWER = 8_000_000
"""Bytes; more than any number of tokens that can be asked for."""
CAUSE_CHARACTERS = 200
LISTED_S = 10.0
"""How long the list of models is kept."""
AGAIN = (429, 502, 503)
"""What is worth another attempt."""
PAUSES_S = (0.25, 1.0)
NOT_UNDERSTOOD = (400, 422)
Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the models are and how they are asked."""

    url: str | None
    model: str | None
    api_key: str | None
    timeout_s: float
    max_tokens: int
    temperature: float
    offline: bool = False

    @classmethod
    def of(cls, config: Config) -> Settings:
        """Those of a server."""
        return cls(
            config.llm_url,
            config.llm_model,
            config.llm_api_key,
            float(config.llm_timeout_s),
            config.llm_max_tokens,
            config.llm_temperature,
            config.offline,
        )

    @property
    def base(self) -> str:
        """The endpoint with its version.

        Raises
        ------
        LlmNotConfiguredError
            There is none.
        """
        if self.url is None:
            raise LlmNotConfiguredError(NOT_CONFIGURED, variables=["ORFEAS_LLM_URL", "ORFEAS_LLM_MODEL"])
        return self.url if self.url.endswith("/v1") else f"{self.url}/v1"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model wrote. `confidence` is the exponential of the mean log-probability of its tokens, if it told them;
    `truncated`: it had no tokens left."""

    text: str
    model: str
    prompt_tokens: int | None
    completion_tokens: int | None
    truncated: bool
    confidence: float | None


class LanguageModel:
    """Ask an endpoint; several threads may. Nothing is contacted before the first question."""

    def __init__(
        self,
        settings: Settings,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self._now = now
        self._sleep = sleep
        self._lock = threading.Lock()
        self._listed: tuple[float, list[str]] | None = None
        self._tells_probabilities = True

    def models(self, timeout_s: float | None = None) -> list[str]:
        """The names that the endpoint lists, kept for 10 s.

        Raises
        ------
        LlmNotConfiguredError, LlmUnreachableError, LlmTimeoutError, UpstreamFailedError
            There is no endpoint; it does not answer, not in time, or not as it should.
        """
        with self._lock:
            if self._listed and self._now() - self._listed[0] < LISTED_S:
                return list(self._listed[1])
        found = self._request("GET", "/models", None, self._deadline(timeout_s))
        names = [entry["id"] for entry in _members(found, "data") if isinstance(entry.get("id"), str)]
        with self._lock:
            self._listed = (self._now(), names)
        return list(names)

    def default(self, timeout_s: float | None = None) -> str:
        """The configured model, else the first that is listed."""
        if self.settings.model is not None:
            return self.settings.model
        names = self.models(timeout_s)
        if not names:
            raise UpstreamFailedError("The language model's endpoint lists no models; load one there.")
        return names[0]

    def chat(
        self,
        messages: Sequence[Message],
        *,
        model: str | None = None,
        max_tokens: int | None = None,
        timeout_s: float | None = None,
        temperature: float | None = None,
    ) -> Answer:
        """The answer to a conversation, within `timeout_s` in all; errors as for `models`."""
        deadline = self._deadline(timeout_s)
        name = model or self.default(max(0.1, deadline - self._now()))
        body: dict[str, Any] = {
            "model": name,
            "messages": [*messages],
            "max_tokens": min(max_tokens or self.settings.max_tokens, self.settings.max_tokens),
            "temperature": self.settings.temperature if temperature is None else temperature,
            "stream": False,
        }
        return _answer(self._completion(body, deadline), name)

    def _completion(self, body: dict[str, Any], deadline: float) -> dict[str, Any]:
        """Ask for probabilities too; an endpoint that does not know them is asked without, now and later."""
        if self._tells_probabilities:
            try:
                return self._request("POST", "/chat/completions", {**body, "logprobs": True}, deadline)
            except UpstreamFailedError as error:
                if error.members.get("upstream_status") not in NOT_UNDERSTOOD:
                    raise
        found = self._request("POST", "/chat/completions", body, deadline)
        self._tells_probabilities = False
        return found

    def _deadline(self, timeout_s: float | None) -> float:
        return self._now() + (self.settings.timeout_s if timeout_s is None else timeout_s)

    def _request(self, method: str, path: str, body: dict[str, Any] | None, deadline: float) -> dict[str, Any]:
        for pause_s in (*PAUSES_S, None):
            try:
                return self._once(method, path, body, deadline)
            except (UpstreamFailedError, LlmUnreachableError) as error:
                again = isinstance(error, LlmUnreachableError) or error.members.get("upstream_status") in AGAIN
                if pause_s is None or not again or self._now() + pause_s >= deadline:
                    raise
                self._sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    def _once(self, method: str, path: str, body: dict[str, Any] | None, deadline: float) -> dict[str, Any]:
        url = f"{self.settings.base}{path}"
        host = urlsplit(url).netloc.rpartition("@")[2]
        if self.settings.offline and not _is_here(urlsplit(url).hostname or ""):
            raise LlmUnreachableError(OFFLINE.format(host=host))
        try:
            status, data = self._exchange(method, url, body, deadline)
        except (httpx.TimeoutException, TimeoutError) as error:
            raise LlmTimeoutError(LATE.format(host=host)) from error
        except httpx.HTTPError as error:
            if self._now() >= deadline:
                raise LlmTimeoutError(LATE.format(host=host)) from error
            raise LlmUnreachableError(
                f"The language model at {host} does not answer ({type(error).__name__}); is it running?"
            ) from error
        return self._read(status, data, host)

    def _exchange(self, method: str, url: str, body: dict[str, Any] | None, deadline: float) -> tuple[int, bytes]:
        key = self.settings.api_key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        left_s = deadline - self._now()
        if left_s <= 0.0:
            raise TimeoutError
        line = _Line()
        with (
            line.cut_after(left_s),
            httpx.Client(timeout=left_s, headers={**headers, "User-Agent": "orfeas"}) as client,
            client.stream(method, url, json=body, extensions={"trace": line.trace}) as response,
        ):
            data = bytearray()
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > LARGEST_ANSWER:
                    raise UpstreamFailedError(f"The language model sent more than {LARGEST_ANSWER} bytes.")
                if self._now() > deadline:
                    raise TimeoutError
            return response.status_code, bytes(data)

    def _read(self, status: int, data: bytes, host: str) -> dict[str, Any]:
        text = data.decode("utf-8", "replace")
        if status != 200:
            raise UpstreamFailedError(
                f"The language model at {host} answered {status}: {self._cause(text)}", upstream_status=status
            )
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UpstreamFailedError(f"The language model at {host} sent no JSON: {self._cause(text)}") from error
        if not isinstance(found, dict):
            raise UpstreamFailedError(f"The language model at {host} sent no object: {self._cause(text)}")
        return found

    def _cause(self, text: str) -> str:
        """The beginning of an upstream text, on one line and without the key."""
        if self.settings.api_key:
            text = text.replace(self.settings.api_key, "***")
        return " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * CAUSE_CHARACTERS]).split())[
            :CAUSE_CHARACTERS
        ]


class _Line:
    """The connection of one request, cut when time is up: httpx counts each byte that drips as a sign of life."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Remember the connection, and the one under TLS that takes its place."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._sockets.append(info["return_value"].get_extra_info("socket"))

    @contextmanager
    def cut_after(self, seconds: float) -> Iterator[None]:
        """Hang up unless the block ends in time."""
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        for connected in self._sockets:
            with suppress(OSError):  # It is closed, or lives on under TLS.
                connected.shutdown(socket.SHUT_RDWR)


def _is_here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _members(found: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = found.get(name)
    if not isinstance(value, list):
        raise UpstreamFailedError(f"The language model's answer has no list {name!r}.")
    return [entry for entry in value if isinstance(entry, dict)]


def _answer(found: dict[str, Any], model: str) -> Answer:
    choices = _members(found, "choices")
    message = choices[0].get("message") if choices else None
    text = message.get("content") if isinstance(message, dict) else None
    if not isinstance(text, str):
        raise UpstreamFailedError("The language model's answer has no text.")
    usage = found.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    named = found.get("model")
    return Answer(
        text=text,
        model=named if isinstance(named, str) and named else model,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        truncated=choices[0].get("finish_reason") == "length",
        confidence=_confidence(choices[0].get("logprobs")),
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _confidence(logprobs: Any) -> float | None:
    """exp(mean token log-probability); None without any."""
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(tokens, list):
        return None
    known = [token.get("logprob") for token in tokens if isinstance(token, dict)]
    numbers = [float(value) for value in known if isinstance(value, int | float) and math.isfinite(value)]
    return round(math.exp(min(0.0, sum(numbers) / len(numbers))), 4) if numbers else None
