# SPDX-License-Identifier: BSD-3-Clause
"""A throwaway Redis on loopback; as a program it serves until its stdin closes.

python3 -m support.redis prints the URL once the server answers. Each line on its stdin is
then a command, answered by one line: "ok", or "error" and the reason.
    restart | kill | stop | start
"""

from __future__ import annotations

import shutil
import sys

import redis

from support.process import Process, free_ports
from support.server import Server, serve


class Redis(Server):
    """One server with its own port and data folder; a restart keeps the data."""

    name = "redis"

    def __init__(self) -> None:
        if not shutil.which("redis-server"):
            raise RuntimeError("redis-server is not installed; run scripts/install-dependencies")
        super().__init__()
        self.port, = free_ports(1)
        self.socket = self.folder / "socket"

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """A client of database 0."""
        return redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=10)

    def _launch(self) -> Process:
        return Process(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1",
                        "--unixsocket", str(self.socket), "--dir", str(self.folder),
                        "--save", "", "--appendonly", "yes", "--appendfsync", "no"], self.log)

    def _accepts(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.exceptions.RedisError:
            return False


if __name__ == "__main__":
    sys.exit(serve(Redis, __doc__))
