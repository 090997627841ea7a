"""Receivers of alerts on loopback: they keep what arrives, and fail when they are told to."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PATIENCE_S = 30.0


class HttpSink:
    """An HTTP server that takes Apprise's JSON, and answers with :attr:`status`.

    While :attr:`hangs` is set it answers nobody. Use it as a context manager.
    """

    def __init__(self) -> None:
        self.status = 200
        self.received: list[dict[str, Any]] = []
        self.said: list[str] = []
        self.tried = 0
        self.goes_on = threading.Event()
        self.goes_on.set()
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """The address for ``alerts.yaml``, with the patience that a busy machine needs."""
        return f"json://127.0.0.1:{self._server.server_port}/hook?cto=30&rto=30"

    def __enter__(self) -> HttpSink:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.goes_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait(self, count: int, *, tried: bool = False, patience_s: float = _PATIENCE_S) -> bool:
        """Wait until *count* messages arrived, or were *tried*; tell whether they did."""
        with self._changed:
            return self._changed.wait_for(
                lambda: (self.tried if tried else len(self.received)) >= count, patience_s
            )

    def titles(self) -> list[str]:
        """Return the titles that arrived."""
        return [str(one["title"]) for one in self.received]

    def texts(self) -> list[str]:
        """Return the texts that arrived."""
        return [str(one["message"]) for one in self.received]

    def _take(self, body: bytes) -> int:
        """Keep what came, unless this is a server that refuses; return the status to answer."""
        with self._changed:
            self.tried += 1
            if self.status == 200:
                self.received.append(json.loads(body))
            self._changed.notify_all()
        self.goes_on.wait(_PATIENCE_S)
        return self.status

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        """Return the class that answers requests of this sink."""
        take, said = self._take, self.said

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                """Take a message."""
                length = int(self.headers.get("content-length", 0))
                self.send_response(take(self.rfile.read(length)))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, _text: str, *arguments: object) -> None:
                """Keep to itself what it would say on stderr."""
                said.append(" ".join(map(str, arguments)))

        return Handler
