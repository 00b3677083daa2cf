"""Lets a browser on this machine ask a run: one page and two questions, on the loopback interface, behind a token."""

import hmac
import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from ...simulation.data.errors import InputError

PAGE = Path(__file__).with_name("page.html")
MOST_BYTES = 16_384
"""Of a question."""
HOST = "127.0.0.1"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Asked(Protocol):
    """Whom the page asks; see `answers.Answers`."""

    def offered(self) -> dict[str, Any]:
        """What there is to choose from."""
        ...

    def write(self, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Ads."""
        ...

    def slate(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Who is shown what."""
        ...


def make_server(answers: Asked, token: str, port: int) -> ThreadingHTTPServer:
    """A server that answers whoever knows the token, one question at a time; `serve_forever` starts it.

    Raises:
        InputError: the port is taken, or may not be used.
    """
    turn = threading.Lock()
    asking: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "/offered": lambda _: answers.offered(),
        "/write": answers.write,
        "/slate": answers.slate,
    }

    class Handler(BaseHTTPRequestHandler):
        """One request."""

        server_version, sys_version = "copybandit", ""

        def do_GET(self) -> None:
            """The page."""
            address = urlsplit(self.path)
            given = parse_qs(address.query).get("token", [""])[0]
            if not self._may(given):
                return
            if address.path != "/":
                self._send(HTTPStatus.NOT_FOUND, {"problem": "there is one page, /"})
                return
            self._send(HTTPStatus.OK, PAGE.read_bytes(), "text/html; charset=utf-8")

        def do_POST(self) -> None:
            """A question, as JSON."""
            if not self._may(self.headers.get("X-Token", "")):
                return
            ask = asking.get(self.path)
            length = self.headers.get("Content-Length", "")
            if ask is None or not length.isdigit() or int(length) > MOST_BYTES:
                self._send(
                    HTTPStatus.BAD_REQUEST, {"problem": f"ask {', '.join(asking)}, {MOST_BYTES:,} bytes at most"}
                )
                return
            try:
                asked = json.loads(self.rfile.read(int(length)) or b"{}")
                if not isinstance(asked, dict):
                    raise InputError("a question is an object of fields")
                with turn:
                    found = ask(asked)
            except (InputError, ValueError) as error:
                self._send(HTTPStatus.UNPROCESSABLE_ENTITY, {"problem": str(error)})
                return
            self._send(HTTPStatus.OK, found)

        def _may(self, token_given: str) -> bool:
            """Asked under this machine's own name, so that no other site's page can ask, and with the token."""
            name = (self.headers.get("Host") or "").rsplit(":", 1)[0]
            if name in (HOST, "localhost") and hmac.compare_digest(token_given.encode(), token.encode()):
                return True
            self._send(HTTPStatus.FORBIDDEN, {"problem": "open the address that the terminal shows, token included"})
            return False

        def _send(self, status: HTTPStatus, what: Any, kind: str = "application/json") -> None:
            body = what if isinstance(what, bytes) else json.dumps(what).encode()
            self.send_response(status)
            for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing: the address holds the token."""

    try:
        return ThreadingHTTPServer((HOST, port), Handler)
    except (OSError, OverflowError) as error:
        raise InputError(f"--port {port}: cannot be used ({error}); give another, or 0 for a free one") from None
