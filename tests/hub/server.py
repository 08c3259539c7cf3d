"""HTTP/1.1 over real sockets, with faults: what a network and a server can do to an answer."""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

FAULTS = ("status", "reset_after", "close_after", "flip", "short", "long")
FAULTS += ("endless", "drip", "hang", "lost", "call")
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Ask:
    """A request as it was read."""

    server: str
    """hub or cdn."""
    method: str
    path: str
    """As sent, still quoted, without its query."""
    query: dict[str, str]
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes

    def json(self) -> dict:
        return json.loads(self.body or b"{}")


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: object, status: int = 200, **headers: str) -> Answer:
        """An answer in JSON; `x_error_code=` becomes the header X-Error-Code."""
        named = {name.replace("_", "-").title(): text for name, text in headers.items()}
        body = json.dumps(value).encode()
        return cls(status, body, {"Content-Type": "application/json; charset=utf-8", **named})


@dataclass
class Request:
    """A request that was answered, or that a fault swallowed."""

    method: str
    path: str
    status: int | None
    """None if a fault let the request hang."""
    bytes_sent: int
    """Bytes of the answer's body given to the network."""
    bytes_received: int
    """Bytes of the request's body."""
    headers: dict[str, str]
    """The request's, by lower-case name."""
    query: dict[str, str]
    server: str
    """hub or cdn."""


@dataclass
class Fault:
    """What goes wrong, for which requests. See LoopbackHub.fault."""

    method: str | None
    path: str
    times: int | None
    skip: int
    kind: str
    """One of FAULTS."""
    amount: float = 0
    """A status, a number of bytes, or seconds, as the kind says."""
    call: Callable[[], object] | None = None
    retry_after: str | None = None

    def takes(self, ask: Ask) -> bool:
        """Whether it strikes this request; counts those that it skips and strikes."""
        if self.method not in (None, ask.method) or not re.search(self.path, ask.path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return self.times is None or self.times >= 0

    def altered(self, body: bytes) -> bytes:
        """The body that is sent; its Content-Length agrees with it."""
        if self.kind == "flip":
            changed = bytearray(body)
            changed[int(self.amount)] ^= 4
            return bytes(changed)
        if self.kind == "short":
            return body[: len(body) - int(self.amount)]
        if self.kind == "long":
            return body + bytes(int(self.amount))
        return body


class Server(ThreadingHTTPServer):
    """One port of 127.0.0.1 that gives each request to `route`, and its answer back."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        name: str,
        port: int,
        route: Callable[[Ask], Answer],
        faults: list[Fault],
        requests: list[Request],
    ) -> None:
        self.name = name
        self.route = route
        self.faults = faults
        self.requests = requests
        self.stopping = threading.Event()
        self.fault_lock = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(
            target=self.serve_forever, args=(POLL_SECONDS,), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Refuses new connections and cuts the open ones."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        self._thread.join()
        self.cut()

    def cut(self) -> None:
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it went by itself

    def get_request(self):
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request) -> None:
        """Only closes: the usual shutdown before it would turn a reset into a polite end."""
        self._open.discard(request)
        self.close_request(request)

    def fault_for(self, ask: Ask) -> Fault | None:
        with self.fault_lock:
            return next((fault for fault in self.faults if fault.takes(ask)), None)


class Handler(BaseHTTPRequestHandler):
    """Reads one request after the other from a connection, and answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]  # nothing else uses it

    def log_message(self, format: str, *args: object) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True  # the client has gone

    def answer(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(parts.query))
        body = b"".join(self._body_parts())
        ask = Ask(self.server.name, self.command, parts.path, query, headers, body)
        fault = self.server.fault_for(ask)
        answer = self._routed(ask, fault)
        request = Request(
            ask.method,
            ask.path,
            answer.status if answer else None,
            0,
            len(ask.body),
            headers,
            query,
            self.server.name,
        )
        self.server.requests.append(request)
        if answer is None:
            self._hang()
        elif fault is not None and fault.kind == "lost":
            self.close_connection = True
        else:
            self._send(answer, fault, request)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

    def _body_parts(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            yield self._read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            yield self._read(size)
            self._read(2)
        if not self.rfile.readline():
            raise ConnectionError("The client went before its last chunk.")

    def _read(self, size: int) -> bytes:
        data = self.rfile.read(size)
        if len(data) < size:
            raise ConnectionError("The client went in the middle of its request.")
        return data

    def _routed(self, ask: Ask, fault: Fault | None) -> Answer | None:
        """The answer, before anything happens to it on its way; None if there is never one."""
        if fault is not None and fault.kind == "hang":
            return None
        if fault is not None and fault.kind == "status":
            extra = {"retry_after": fault.retry_after} if fault.retry_after else {}
            return Answer.of({"error": "A fault, as ordered."}, int(fault.amount), **extra)
        try:
            if fault is not None and fault.call is not None:
                fault.call()
            return self.server.route(ask)
        except Exception:  # a mistake of this Hub is an answer that the test sees
            return Answer(500, traceback.format_exc().encode(), {"Content-Type": "text/plain"})

    def _hang(self) -> None:
        self.close_connection = True
        while not self.server.stopping.is_set():
            readable, _, _ = select.select([self.connection], [], [], POLL_SECONDS)
            if readable and not self.connection.recv(1):
                return

    def _send(self, answer: Answer, fault: Fault | None, request: Request) -> None:
        kind, amount = (fault.kind, fault.amount) if fault else ("", 0)
        body = fault.altered(answer.body) if fault else answer.body
        head = self._head(answer, None if kind == "endless" else len(body))
        if request.method == "HEAD":
            body = b""
        if kind in ("reset_after", "close_after"):
            body = body[: int(amount)]
            self._write(head + body, len(body), request)
            self._close(reset=kind == "reset_after")
        elif kind == "drip":
            self._write(head, 0, request)
            self._write_slowly(body, amount, request)
        elif kind == "endless" and request.method != "HEAD":
            self._write(head, 0, request)
            self._write_endless(body, request)
        else:
            self._write(head + body, len(body), request)

    def _head(self, answer: Answer, length: int | None) -> bytes:
        framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}", framing]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode()

    def _write(self, data: bytes, of_body: int, request: Request) -> None:
        request.bytes_sent += of_body  # before the client has it, so that a test can look at once
        self.wfile.write(data)

    def _write_slowly(self, body: bytes, seconds: float, request: Request) -> None:
        for place in range(len(body)):
            if self.server.stopping.wait(seconds):
                return
            self._write(body[place : place + 1], 1, request)

    def _write_endless(self, body: bytes, request: Request) -> None:
        while not self.server.stopping.is_set():
            if body:
                self._write(b"%x\r\n%s\r\n" % (len(body), body), len(body), request)
            body = bytes(2**16)

    def _close(self, *, reset: bool) -> None:
        self.close_connection = True
        if reset:
            time.sleep(POLL_SECONDS)  # a reset overtakes what the kernel has not sent yet
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
