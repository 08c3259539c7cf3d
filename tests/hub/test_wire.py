"""What a plain HTTP client and a plain socket get from the loopback Hub, with faults and without."""

from __future__ import annotations

import http.client
import json
import socket
import time
from typing import Any

import pytest
from loopback import LoopbackHub
from samples import FILES, TOKEN

CONFIG = "/acme/vae/resolve/main/config.json"
BYTES = FILES["config.json"]


def fetch(
    hub: LoopbackHub, method: str, path: str, body: str | None = None, token: str | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=60)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def test_an_upload_with_other_bytes_than_promised_is_refused(
    hub: LoopbackHub, published: str
) -> None:
    cdn = http.client.HTTPConnection(hub.cdn_url.removeprefix("http://"))
    cdn.request("PUT", f"/upload/acme/vae/{'0' * 64}", b"other")
    assert cdn.getresponse().status == 400


def test_a_commit_of_what_was_never_uploaded_is_refused(hub: LoopbackHub, published: str) -> None:
    lines = [
        {"key": "header", "value": {"summary": "x"}},
        {"key": "lfsFile", "value": {"path": "a.bin", "oid": "0" * 64, "size": 1}},
    ]
    body = "\n".join(json.dumps(line) for line in lines)
    status, _, answer = fetch(hub, "POST", "/api/models/acme/vae/commit/main", body, token=TOKEN)
    assert (status, b"does not exist" in answer) == (400, True)
    assert hub.head("acme/vae") == published


def test_a_stopped_hub_comes_back_with_what_it_had(hub: LoopbackHub, published: str) -> None:
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"))
    connection.request("GET", "/api/models/acme/vae")
    connection.getresponse().read()
    hub.stop()
    assert connection.sock.recv(1) == b""  # the open connection was cut
    with pytest.raises(ConnectionError):
        fetch(hub, "GET", "/api/models/acme/vae")
    hub.start()
    assert fetch(hub, "GET", CONFIG)[2] == BYTES


def raw(hub: LoopbackHub, path: str = CONFIG, most: int = 10**6) -> tuple[bytes, bytes, str]:
    """The head and the body that a plain socket gets, and how the connection ended."""
    host, port = hub.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=0.3) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        received, end = b"", "most"
        while len(received) < most and end == "most":
            try:
                data = connection.recv(2**16)
                received += data
                end = "most" if data else "closed"
            except ConnectionResetError:
                end = "reset"
            except TimeoutError:
                end = "open"
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body, end


@pytest.mark.parametrize(
    ("what", "body", "end"),
    [
        ({"reset_after": 3}, BYTES[:3], "reset"),
        ({"close_after": 3}, BYTES[:3], "closed"),
        ({"flip": 1}, BYTES[:1] + bytes([BYTES[1] ^ 4]) + BYTES[2:], "open"),
        ({"short": 2}, BYTES[:-2], "open"),
        ({"long": 2}, BYTES + b"\0\0", "open"),
        ({"drip": 0.01}, BYTES, "open"),
        ({"hang": True}, b"", "open"),
        ({"lost": True}, b"", "closed"),
    ],
)
def test_a_fault_is_what_it_says(
    hub: LoopbackHub, published: str, what: dict[str, Any], body: bytes, end: str
) -> None:
    hub.fault(method="GET", path=r"config\.json$", **what)
    start = time.monotonic()
    head, received, ended = raw(hub)
    assert (received, ended) == (body, end)
    length = {"short": len(BYTES) - 2, "long": len(BYTES) + 2}.get(next(iter(what)), len(BYTES))
    assert what.keys() & {"hang", "lost"} or f"Content-Length: {length}".encode() in head
    assert "drip" not in what or time.monotonic() - start > 0.01 * len(BYTES)
    assert fetch(hub, "GET", CONFIG)[2] == BYTES  # once only


def test_an_endless_body_ends_when_the_client_goes(hub: LoopbackHub, published: str) -> None:
    hub.fault(path="config", endless=True)
    head, body, _ = raw(hub, most=10**6)
    assert b"Transfer-Encoding: chunked" in head
    assert body.startswith(b"8\r\n" + BYTES)
    assert len(body) > 9 * 10**5


def test_a_status_is_answered_after_skips_and_so_many_times(
    hub: LoopbackHub, published: str
) -> None:
    hub.fault(path="config", status=503, retry_after="1", skip=1, times=2)
    answers = [fetch(hub, "GET", CONFIG) for _ in range(4)]
    assert [status for status, _, _ in answers] == [200, 503, 503, 200]
    assert answers[1][1]["Retry-After"] == "1"


def test_faults_are_one_thing_each(hub: LoopbackHub) -> None:
    with pytest.raises(TypeError, match="exactly one of"):
        hub.fault()
    with pytest.raises(TypeError, match="exactly one of"):
        hub.fault(flip=1, short=1)
    with pytest.raises(TypeError, match="exactly one of"):
        hub.fault(unknown=1)
