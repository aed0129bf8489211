"""A model behind an OpenAI-compatible endpoint (`POST /v1/chat/completions`), such as vLLM, llama.cpp or Ollama serve.

    endpoint = Endpoint("http://127.0.0.1:8000/v1", key=None)
    endpoint.ask("Grade this page: ...", model="name")

Every request is bounded in time and bytes and retried as POLICY says. The key is sent only over TLS or to this machine.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from finest.errors import RunError, UsageError
from finest.masking import masked, one_line, public_address
from finest.reachable import is_passing, lasting
from finest.retry import Again, Policy, retry, retry_after_s

POLICY = Policy(first_s=0.5, cap_s=30.0, tries=6, asked_cap_s=300.0)
"""Six tries take about 12 s of waits: a server that loads another model answers 503 for some seconds."""
_CONNECT_S, _ANSWER_S = 20.0, 300.0
"""A large model on a CPU needs minutes for a page."""
MAX_ANSWER_BYTES = 1 << 20
MAX_TOKENS = 1_024
"""Maximum tokens of an answer; enough to give reasons before the label."""
_MODEL_CHARS = 200
"""Characters that are kept of a model's name."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
Say = Callable[[str], None]


class Refused(Exception):
    """The endpoint refuses this page, for instance because it is too long; another page may be accepted."""


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    model: str
    """The model that answered, as the endpoint names it."""


class _Busy(Exception):
    def __init__(self, words: str, asked_s: float | None = None) -> None:
        super().__init__(words)
        self.asked_s = asked_s


class Endpoint:
    """One endpoint; safe for several threads."""

    def __init__(self, address: str, key: str | None = None, say: Say = lambda _: None) -> None:
        """Check the address without a request; raises UsageError if it is none, or if the key would go out in clear."""
        try:
            parts = urlsplit(address)
            host = parts.hostname
        except ValueError:
            host = None
        if host is None or parts.scheme not in ("http", "https"):
            raise UsageError(f"--endpoint {masked(address)}: write an address like http://127.0.0.1:8000/v1")
        self._is_here = host in _LOOPBACK
        if key and parts.scheme == "http" and not self._is_here:
            raise UsageError(f"the key in OPENAI_API_KEY would be sent unencrypted to {host}: use https:// or unset it")
        base = address.rstrip("/").removesuffix("/chat/completions").removesuffix("/v1")
        self.name = public_address(base)
        """The address without secrets, for messages and provenance."""
        self._base, self._key, self._say = base, key, say
        self._sessions = threading.local()

    def only_model(self) -> str:
        """Return the name of the model if the endpoint serves exactly one; raises UsageError for several."""
        try:
            data = self._call("GET", "/v1/models", None).get("data")
        except Refused as error:
            raise UsageError(f"{self.name} does not list its models ({error}); name one with --model") from None
        names = (
            [str(one["id"]) for one in data if isinstance(one, dict) and "id" in one] if isinstance(data, list) else []
        )
        if len(names) != 1:
            some = f" ({', '.join(map(one_line, names[:5]))})" if names else ""
            raise UsageError(f"{self.name} serves {len(names)} models{some}; name one with --model")
        return names[0]

    def ask(self, prompt: str, model: str, stop: threading.Event | None = None) -> Answer:
        """Return the model's answer at temperature 0.

        Raises Refused if the endpoint does not accept this prompt, RunError if it does not answer, or does not speak
        this protocol.
        """
        body = {
            "model": model, "temperature": 0, "max_tokens": MAX_TOKENS,
            "messages": [{"role": "user", "content": prompt}],
        }  # fmt: skip
        found = self._call("POST", "/v1/chat/completions", body, stop)
        try:
            text = found["choices"][0]["message"]["content"]
        except (LookupError, TypeError):
            raise RunError(f"{self.name} answers, but not as an OpenAI-compatible endpoint does") from None
        return Answer(text if isinstance(text, str) else "", one_line(str(found.get("model") or model))[:_MODEL_CHARS])

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None, stop: threading.Event | None = None
    ) -> dict[str, Any]:
        def wait(error: Exception, wait_s: float) -> None:
            if stop is None or not stop.is_set():
                self._say(f"{self.name}: {error}; asking again in {wait_s:.1f} s")

        try:
            return retry(
                lambda: self._once(method, path, body), POLICY, on=(_Busy,), again=_again, on_wait=wait, stop=stop
            )
        except _Busy as error:
            raise RunError(f"{self.name}: {error}, after {POLICY.tries} tries") from None

    def _once(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            with self._session().request(
                method, self._base + path, json=body, headers=headers, timeout=(_CONNECT_S, _ANSWER_S), stream=True,
                allow_redirects=False,
            ) as answer:  # fmt: skip
                data = answer.raw.read(MAX_ANSWER_BYTES + 1, decode_content=True)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            if why := lasting(error):
                raise RunError(f"{self.name}: {why}") from None
            raise _Busy(_plain(error)) from None
        return self._checked(method, answer, data)

    def _checked(self, method: str, answer: requests.Response, data: bytes) -> dict[str, Any]:
        status, words = answer.status_code, _words(data)
        if is_passing(status):
            raise _Busy(f"it answers {status}{words}", retry_after_s(answer.headers.get("Retry-After")))
        if status in (400, 413, 422) or (method == "GET" and status in (404, 405)):
            raise Refused(f"status {status}{words}")
        if status != 200:
            hint = "; the key is OPENAI_API_KEY, from the environment or .env" if status in (401, 403) else ""
            raise RunError(f"{self.name} refuses with status {status}{words}{hint}")
        try:
            found = json.loads(data) if len(data) <= MAX_ANSWER_BYTES else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise RunError(f"{self.name} answers, but not as an OpenAI-compatible endpoint does")
        return found

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._sessions, "session", None)
        if session is None:
            session = self._sessions.session = requests.Session()
            session.auth = _no_netrc
            session.trust_env = not self._is_here  # no proxy reaches this machine's own ports
        return session


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from replacing the key by a password in ~/.netrc."""
    return request


def _again(error: Exception) -> Again:
    return Again(error.asked_s if isinstance(error, _Busy) else None)


def _words(data: bytes) -> str:
    """Return what an error's body says, shortened to one line, in brackets."""
    try:
        found = json.loads(data)
        error = found.get("error", found.get("message", "")) if isinstance(found, dict) else ""
        text = error.get("message", "") if isinstance(error, dict) else error
    except ValueError:
        text = ""
    line = one_line(masked(text))[:200]
    return f" ({line})" if line else ""


def _plain(error: BaseException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    return (
        "nothing answers"
        if isinstance(error, requests.ConnectionError)
        else f"the answer broke off ({type(error).__name__})"
    )
