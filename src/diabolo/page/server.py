"""The page from a server on 127.0.0.1: all rows, however many, and a model too large to send.

Only programs on this machine that know the address get an answer: a random token is part of every path. The name of
the host is checked as well, so that no other page in the browser can reach the server. Order: the server, its answers.
"""

import json
import secrets
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from diabolo.errors import DiaboloError, OptionError
from diabolo.model.model import Model
from diabolo.page import document
from diabolo.page.document import Asked, Page
from diabolo.page.rows import PageRows
from diabolo.typing import Float32Array

HOST = "127.0.0.1"
MOST_BYTES = 64 << 20  # of a request
LONGEST = 30  # characters of a path with a number
STATE = '<script type="application/json" id="diabolo-state">'


class PageServer:
    """A page that is served until it is closed. Attributes: page: what is served; url: where."""

    def __init__(self, model: Model, rows: PageRows | None, asked: Asked, *, port: int = 0) -> None:
        """Make the page and listen. Raises OptionError where the port is taken."""
        self._token = secrets.token_urlsafe(24)
        self._base = f"/{self._token}/"
        self.model, self.rows, self.asked = model, rows, asked
        try:
            self._http = _Quiet((HOST, port), _handler(self))
        except OSError as error:
            raise OptionError(
                f"port {port}: {error.strerror or error}: leave it out (--port) for a free one."
            ) from error
        self.page: Page = document.page(model, rows, asked, base=self._base)
        self._http.daemon_threads = True
        self.url = f"http://{HOST}:{self._http.server_address[1]}{self._base}"
        self._thread: threading.Thread | None = None

    @property
    def base(self) -> str:
        """The path of all answers, which holds the token."""
        return self._base

    @property
    def hosts(self) -> set[str]:
        """The names of the host that browsers on this machine send."""
        port = self._http.server_address[1]
        return {f"{HOST}:{port}", f"localhost:{port}"}

    def page_bytes(self) -> bytes:
        """Return the page without its blocks, which the browser asks for."""
        return document.template().replace(document.PLACE, Page.head(self.page.header), 1).encode()

    def run(self) -> None:
        """Answer requests until Ctrl-C."""
        self._http.serve_forever(poll_interval=0.2)

    def start(self) -> "PageServer":
        """Answer requests in a new thread, and return the server."""
        self._thread = threading.Thread(target=self.run, daemon=True, name="diabolo page")
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop answering."""
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()

    def saved(self, state: bytes) -> bytes:
        """Return the page as one file, with a state of the view. Args: state: JSON."""
        found = document.page(self.model, self.rows, self.asked)
        text = json.dumps(json.loads(state), ensure_ascii=False).replace("<", "\\u003c")
        script = f"{STATE}{text}</script>"
        return found.html(script).encode()

    def decoded(self, body: bytes) -> bytes:
        """Return rows for latents; in a model with a condition, its numbers follow the latents of each row."""
        given, width = len(self.model.network.condition), self.model.network.latent_dim
        values = np.frombuffer(body, "<f4").reshape(-1, width + given)
        raw = self.model.runtime.decode_raw(
            np.ascontiguousarray(values[:, :width]), 0, np.ascontiguousarray(values[:, width:]) if given else None
        )
        return _as_bytes(self.model, self.model.adapter.restore(self.model.apply_link(raw)))

    def encoded(self, body: bytes) -> bytes:
        """Return latents, f4, for rows: f8 for a table, f4 for others."""
        shape = self.model.adapter.row_shape
        rows = np.frombuffer(body, "<f8" if self.model.adapter.is_table else "<f4").reshape(-1, *shape)
        kind = self.model.adapter.dtype
        latents: Float32Array = self.model.encode(rows.astype(kind) if kind.startswith("uint") else rows)
        return latents.astype("<f4").tobytes()

    def row(self, number: int) -> bytes:
        """Return the original of a row, by its number in the data. Raises LookupError where it is not in the page."""
        numbers = np.zeros(0, np.int64) if self.rows is None else self.rows.numbers
        place = int(np.searchsorted(numbers, number))
        left_out = "originals" in self.asked.without
        if self.rows is None or left_out or place == len(numbers) or numbers[place] != number:
            raise LookupError(f"row {number} is not in the page")
        return _as_bytes(self.model, self.rows.values[place : place + 1])


class _Quiet(ThreadingHTTPServer):
    """A server that does not mind a browser that closes its connection."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing for a closed connection."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _as_bytes(model: Model, rows: Any) -> bytes:
    content: bytes = np.ascontiguousarray(rows, "<f8" if model.adapter.is_table else "<f4").tobytes()
    return content


def _handler(server: PageServer) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers requests for a server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "diabolo", ""

        def do_GET(self) -> None:
            path = self._checked()
            if path is None:
                return
            if path == "":
                self._send(server.page_bytes(), "text/html; charset=utf-8")
            elif path.startswith("blocks/") and path[7:] in server.page.blocks.all:
                self._send(server.page.blocks.all[path[7:]].content, "application/octet-stream")
            elif path.startswith("rows/") and path[5:].isdecimal() and len(path) < LONGEST:
                self._answer(server.row, int(path[5:]))
            else:
                self._refuse(HTTPStatus.NOT_FOUND, "this server has no such path")

        def do_POST(self) -> None:
            path, length = self._checked(), self.headers.get("Content-Length", "")
            if path is None:
                return
            if not length.isdecimal() or int(length) > MOST_BYTES:
                self.close_connection = True
                self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected a length of at most {MOST_BYTES:,} bytes")
                return
            body = self.rfile.read(int(length))
            answer_of = {"decode": server.decoded, "encode": server.encoded, "save": server.saved}.get(path)
            if answer_of is None:
                self._refuse(HTTPStatus.NOT_FOUND, "this server has no such path")
                return
            self._answer(answer_of, body, "text/html; charset=utf-8" if path == "save" else "application/octet-stream")

        def _answer(self, answer: Callable[[Any], bytes], asked: Any, kind: str = "application/octet-stream") -> None:
            try:
                content = answer(asked)
            except LookupError as error:
                self._refuse(HTTPStatus.NOT_FOUND, str(error))
                return
            except (DiaboloError, ValueError, RecursionError) as error:
                self._refuse(HTTPStatus.BAD_REQUEST, str(error))
                return
            self._send(content, kind)

        def _checked(self) -> str | None:
            """Return the path after the token; None: the request was refused."""
            if self.headers.get("Host") not in server.hosts:
                self._refuse(HTTPStatus.FORBIDDEN, "expected the address that diabolo explore printed")
                return None
            origin = self.headers.get("Origin")
            known = {f"http://{host}" for host in server.hosts}
            if (origin is not None and origin not in known) or not self.path.startswith(server.base):
                self._refuse(HTTPStatus.FORBIDDEN, "expected the address that diabolo explore printed")
                return None
            return self.path[len(server.base) :].partition("?")[0]

        def _send(self, content: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("Cross-Origin-Resource-Policy", "same-origin")
            self.end_headers()
            self.wfile.write(content)

        def _refuse(self, status: HTTPStatus, words: str) -> None:
            self._send(json.dumps({"error": words}).encode(), "application/json", status)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing: the terminal belongs to the command."""

    return Handler
