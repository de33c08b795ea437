"""The CLI's HTTP client: a token, exact numbers, and errors as sentences."""

import uuid
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any

import httpx
import msgspec

from winkel.cli.visible import visible

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")
SECONDS = 60.0


class Client:
    """Talks to one gateway with one token; a context manager. Every method raises `ValueError` that says what to do."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        if not token:
            raise ValueError("no token: give --token or set WINKEL_TOKEN")
        if not (token.isascii() and token.isprintable()):
            raise ValueError(
                "the token that --token or WINKEL_TOKEN gives is none: it has characters that no token has"
            )
        headers = {"authorization": f"Bearer {token}", "user-agent": "winkel-cli"}
        try:
            self._http = httpx.Client(base_url=self.url, headers=headers, timeout=SECONDS, trust_env=False)
        except httpx.InvalidURL as error:
            raise ValueError(f"{url!r} is not an address: {error}") from error

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON answer of a GET; numbers with a point are Decimals."""
        return self._json(self.send("GET", path, query=query))

    def post(self, path: str, body: Any, **query: Any) -> Any:
        """Return the JSON answer of a POST, None when it is empty."""
        content = _encoder.encode(body)
        return self._json(self.send("POST", path, query=query, content=content, kind="application/json"))

    def download(self, path: str, **query: Any) -> bytes:
        """Return the answer of a GET that is no JSON, as it is."""
        answer = self.send("GET", path, query=query)
        if not answer.is_success:
            raise ValueError(refusal(answer))
        return answer.content

    def send(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        content: bytes = b"",
        kind: str = "",
        encoding: str = "",
    ) -> httpx.Response:
        """Send a request and return the answer, whatever its status."""
        present = {name: value for name, value in (query or {}).items() if value is not None}
        headers = {"content-type": kind, "content-encoding": encoding}
        headers = {name: value for name, value in headers.items() if value}
        try:
            return self._http.request(method, path, params=present, content=content, headers=headers)
        except (httpx.TransportError, httpx.UnsupportedProtocol) as error:
            raise ConnectionLostError(self.url, error) from error

    def pages(self, path: str, *, body: Any = None, **query: Any) -> Iterator[Any]:
        """Yield the objects of a list, page after page."""
        cursor = None
        while True:
            page = (
                self.get(path, next_page=cursor, **query)
                if body is None
                else self.post(path, body, next_page=cursor, **query)
            )
            yield from page["data"]
            cursor = page.get("next_page")
            if not cursor:
                return

    def customer(self, which: str) -> dict[str, Any]:
        """Return the customer with this id, ingest alias or name."""
        if _is_uuid(which):
            answer = self.send("GET", f"/v1/customers/{which}")
            if answer.status_code == httpx.codes.OK:
                found: dict[str, Any] = _decoder.decode(answer.content)["data"]
                return found
        by_alias = list(self.pages("/v1/customers", ingest_alias=which))
        if by_alias:
            return dict(by_alias[0])
        named = [each for each in self.pages("/v1/customers") if each["name"].casefold() == which.casefold()]
        if len(named) == 1:
            return dict(named[0])
        if named:
            ids = ", ".join(each["id"] for each in named)
            raise ValueError(f"{len(named)} customers are named {which!r}: choose by id ({ids})")
        raise ValueError(f"there is no customer with the id, alias or name {which!r}")

    def _json(self, answer: httpx.Response) -> Any:
        if answer.is_success:
            return _decoder.decode(answer.content) if answer.content else None
        raise ValueError(refusal(answer))


class ConnectionLostError(ValueError):
    """No gateway answers, or it stopped answering in the middle."""

    def __init__(self, url: str, error: Exception) -> None:
        super().__init__(
            f"no gateway answers at {url} ({error or type(error).__name__}): start one with `winkel up`, "
            f"or give --url or WINKEL_URL"
        )


def refusal(answer: httpx.Response) -> str:
    """Return why a gateway refused, as a sentence."""
    try:
        message = str(_decoder.decode(answer.content)["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        message = answer.text[:200]
    return f"the gateway refused ({answer.status_code}): {message}"


def json_text(value: Any) -> str:
    """Return the value as indented JSON with all digits; what would command a terminal is escaped."""
    return visible(msgspec.json.format(_encoder.encode(value), indent=2).decode())


def json_line(value: Any) -> str:
    """Return the value as JSON on one line; what would command a terminal is escaped."""
    return visible(_encoder.encode(value).decode())


def as_instant(text: str) -> datetime:
    """Return an instant of the API."""
    return datetime.fromisoformat(text)


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
