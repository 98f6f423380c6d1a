# SPDX-License-Identifier: BSD-3-Clause
"""A TCP proxy in front of a server: it cuts connections, goes away, and may watch the bytes."""

from __future__ import annotations

import socket
import struct
import threading
from types import TracebackType
from typing import Callable, Protocol

CHUNK = 65536
CONNECT_SECONDS = 5.0
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST

See = Callable[[bytes], None]


class Watcher(Protocol):
    """Sees the bytes of each connection before they are passed on."""

    def connection(self) -> tuple[See, See]:
        """Called for a new connection; what is to see the client's bytes, and the server's."""


def _pump(source: socket.socket, target: socket.socket, see: See | None) -> None:
    """Pass on what comes until its end, and the end too."""
    try:
        while data := source.recv(CHUNK):
            if see:
                see(data)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        _shut(source)
        _shut(target)


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class _Link:
    """A client's connection and the one to the server that belongs to it."""

    def __init__(self, number: int, client: socket.socket, server: socket.socket) -> None:
        self.number = number
        self.sockets = (client, server)

    def run(self, watch: tuple[See, See] | None) -> None:
        """Pass bytes both ways until both ends have ended."""
        client, server = self.sockets
        back = threading.Thread(target=_pump, args=(server, client, watch and watch[1]),
                                daemon=True)
        back.start()
        _pump(client, server, watch and watch[0])
        back.join()
        client.close()
        server.close()

    def cut(self, reset: bool) -> None:
        """End it at once; with RST instead of FIN towards both if reset."""
        for sock in self.sockets:
            try:
                if reset:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Proxy:
    """Listens on a port of its own; open() and shut() are the way to it, cut() ends what is up."""

    def __init__(self, target: int, watcher: Watcher | None = None) -> None:
        self._target = target
        self._watcher = watcher
        self._links: set[_Link] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self.port = 0
        self.accepted = 0

    def url(self, server_url: str) -> str:
        """The server's URL with our port in it."""
        return server_url.replace(f":{self._target}/", f":{self.port}/")

    def open(self) -> None:
        """Take connections, on the same port every time."""
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(64)
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._acceptor.start()

    def shut(self) -> None:
        """Refuse connections, as a port does where nobody listens; what is up goes on."""
        if self._listener and self._acceptor:
            _shut(self._listener)
            self._acceptor.join()
            self._listener.close()
            self._listener = None

    def cut(self, reset: bool = False) -> int:
        """End all connections that are up; how many there were."""
        links = self._up()
        for link in links:
            link.cut(reset)
        return len(links)

    def cut_one(self, number: int, reset: bool = False) -> bool:
        """End one connection, counted in order of coming; False if there are fewer."""
        links = self._up()
        if number < len(links):
            links[number].cut(reset)
        return number < len(links)

    def links(self) -> int:
        """The number of connections that are up."""
        with self._lock:
            return len(self._links)

    def __enter__(self) -> "Proxy":
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.shut()
        self.cut()

    def _up(self) -> list[_Link]:
        with self._lock:
            return sorted(self._links, key=lambda link: link.number)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target), CONNECT_SECONDS)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self.accepted += 1
            link = _Link(self.accepted, client, server)
            self._links.add(link)
        try:
            link.run(self._watcher.connection() if self._watcher else None)
        finally:
            with self._lock:
                self._links.discard(link)
