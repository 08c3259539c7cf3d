"""A page on the loopback address, for as long as somebody looks at it."""

from __future__ import annotations

import functools
import http.server
import logging
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo.errors import InputError

log = logging.getLogger("zoo")
ADDRESS = "127.0.0.1"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Static files, for this page alone: another name for the address, or another site, may be an attack."""

    def send_head(self):  # pyright: ignore[reportIncompatibleMethodOverride]
        host, _, _ = self.headers.get("Host", "").rpartition(":")
        if host not in (ADDRESS, "localhost") or self._is_from_another_site():
            self.send_error(403, "This page is served to this machine alone")
            return None
        try:
            return super().send_head()
        except ValueError:  # a NUL in the path
            self.send_error(404)
            return None

    def _is_from_another_site(self) -> bool:
        """Whether a browser says so; a link there may lead here."""
        of_ours = self.headers.get("Sec-Fetch-Site") in (None, "none", "same-origin")
        return not of_ours and self.headers.get("Sec-Fetch-Mode") != "navigate"

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        log.debug(format, *args)


class Server(http.server.ThreadingHTTPServer):
    """A browser may go away in the middle of an answer."""

    def handle_error(self, request: object, client_address: object) -> None:
        if isinstance(sys.exception(), ConnectionError):
            log.debug("A browser went away.")
        else:
            super().handle_error(request, client_address)  # pyright: ignore[reportArgumentType]  # as it was given


@contextmanager
def served(folder: Path, port: int = 0) -> Iterator[http.server.ThreadingHTTPServer]:
    """A server of a folder's files; port 0 is any free one. Raises InputError for one that is taken."""
    handler = functools.partial(Handler, directory=str(folder))
    try:
        server = Server((ADDRESS, port), handler)
    except OSError as taken:
        raise InputError(
            f"Port {port} cannot be had ({taken.strerror}). Name another one, or leave --port out."
        ) from taken
    with server:
        yield server


def show(folder: Path, port: int, say: Callable[[str], None]) -> None:
    """Serves a page, says where, opens it in the browser, and returns when it is interrupted."""
    with served(folder, port) as server, suppress(KeyboardInterrupt):
        address = f"http://{ADDRESS}:{server.server_address[1]}/"
        say(f"{address} until you press Ctrl-C")
        # a browser that is not running yet may be waited for, while it waits for the page
        threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
        server.serve_forever()
