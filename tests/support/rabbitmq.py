# SPDX-License-Identifier: BSD-3-Clause
"""A throwaway RabbitMQ node on loopback; as a program it serves until its stdin closes.

python3 -m support.rabbitmq prints the AMQP URL once a client can log in. Each line on its
stdin is then a command, answered by one line: "ok", or "error" and the reason.
    restart | kill | stop | start | alarm on | alarm off | close-connections
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Callable, Mapping

import amqp

from support.process import Process, free_ports
from support.server import Server, serve

PROGRAMS = Path("/usr/lib/rabbitmq/bin")
CTL_SECONDS = 60.0
VHOSTS_AT_ONCE = 16
MEMORY_WATERMARK = "0.4"

# rabbitmqctl takes a second a call, so virtual hosts are made by the dozen.
ADD_VHOSTS = """lists:foreach(fun(V) ->
    rabbit_vhost:add(V, <<"celeriac-tests">>),
    rabbit_auth_backend_internal:set_permissions(
        <<"guest">>, V, <<".*">>, <<".*">>, <<".*">>, <<"celeriac-tests">>)
end, [%s])."""


class RabbitMQ(Server):
    """One node with its own name, ports, cookie, data folder and port mapper (epmd)."""

    name = "rabbitmq"

    def __init__(self, settings: Mapping[str, str] | None = None,
                 plugins: tuple[str, ...] = ()) -> None:
        if not (PROGRAMS / "rabbitmq-server").exists():
            raise RuntimeError("rabbitmq-server is not installed; run "
                               "scripts/install-dependencies")
        super().__init__()
        self.port, self._dist_port, self._epmd_port = free_ports(3)
        self.node = f"celeriac-{os.getpid()}-{self.port}@127.0.0.1"
        self._settings = dict(settings or {})
        self._plugins = plugins
        self._epmd: Process | None = None
        self._env = self._environment()
        self._vhosts_made = 0
        self._vhosts_unused: list[str] = []

    @property
    def url(self) -> str:
        """The AMQP URL of the default virtual host."""
        return self.url_of("/")

    def url_of(self, vhost: str) -> str:
        """The AMQP URL of a virtual host."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{vhost.replace('/', '%2f')}"

    def close(self) -> None:
        """End the node and its port mapper, remove the folder."""
        self.kill()
        if self._epmd:
            self._epmd.kill()
            self._epmd = None
        super().close()

    def ctl(self, *args: str) -> str:
        """Run rabbitmqctl against this node and return what it printed."""
        done = subprocess.run(
            [str(PROGRAMS / "rabbitmqctl"), "--longnames", "--node", self.node, "--quiet", *args],
            env=self._env, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=CTL_SECONDS, check=False)
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(args)}: {done.stderr or done.stdout}")
        return done.stdout

    def set_memory_alarm(self, on: bool) -> None:
        """Raise or clear the memory alarm, under which the broker blocks publishers."""
        self.ctl("set_vm_memory_high_watermark", "0.00001" if on else MEMORY_WATERMARK)

    def close_connections(self) -> None:
        """Close every client connection from the broker's side."""
        self.ctl("close_all_connections", "closed by a test")

    def queues(self, vhost: str = "/") -> dict[str, tuple[int, int]]:
        """Each queue's name with its (ready, unacknowledged) messages."""
        lines = self.ctl("list_queues", "--vhost", vhost, "--no-table-headers", "name",
                         "messages_ready", "messages_unacknowledged").splitlines()
        rows = (line.split("\t") for line in lines if line.count("\t") == 2)
        return {name: (int(ready), int(unacked)) for name, ready, unacked in rows}

    def new_vhost(self) -> str:
        """The name of an empty virtual host that nobody has used."""
        if not self._vhosts_unused:
            first = self._vhosts_made
            self._vhosts_made += VHOSTS_AT_ONCE
            self._vhosts_unused = [f"v{n}" for n in range(first, self._vhosts_made)]
            self.ctl("eval", ADD_VHOSTS % ", ".join(f'<<"{v}">>' for v in self._vhosts_unused))
        return self._vhosts_unused.pop(0)

    def commands(self) -> Mapping[str, Callable[[], object]]:
        """The command lines that serve() obeys."""
        return {**super().commands(),
                "alarm on": lambda: self.set_memory_alarm(True),
                "alarm off": lambda: self.set_memory_alarm(False),
                "close-connections": self.close_connections}

    def _environment(self) -> dict[str, str]:
        folder = str(self.folder)
        kept = {key: value for key, value in os.environ.items()
                if not key.startswith(("RABBITMQ_", "ERL_")) and key != "NOTIFY_SOCKET"}
        return kept | {
            "HOME": folder,
            "RABBITMQ_NODENAME": self.node,
            # A name with an address needs no /etc/hosts, which a bare chroot does not have.
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/absent",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_PLUGINS_EXPAND_DIR": f"{folder}/expand",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_CTL_DIST_PORT_MIN": "1024",
            "RABBITMQ_CTL_DIST_PORT_MAX": "65535",
            # Makes the start script exec the Erlang VM, so that our pid is the VM's.
            "RUNNING_UNDER_SYSTEMD": "true",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def _write_config(self) -> None:
        settings = {
            "listeners.tcp.1": f"127.0.0.1:{self.port}",
            "vm_memory_high_watermark.relative": MEMORY_WATERMARK,
            "disk_free_limit.absolute": "10MB",
        } | self._settings
        lines = [f"{key} = {value}\n" for key, value in settings.items()]
        (self.folder / "rabbitmq.conf").write_text("".join(lines))
        (self.folder / "plugins").write_text(f"[{','.join(self._plugins)}].\n")

    def _start_epmd(self) -> None:
        """Our own port mapper, so that no node starts one that outlives it."""
        if self._epmd is None or self._epmd.poll() is not None:
            self._epmd = Process(
                ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"],
                self.folder / "epmd.log", self._env, self.folder)

    def _launch(self) -> Process:
        self._start_epmd()
        self._write_config()
        return Process([str(PROGRAMS / "rabbitmq-server")], self.log, self._env, self.folder)

    def _accepts(self) -> bool:
        try:
            with amqp.Connection(f"127.0.0.1:{self.port}", connect_timeout=5,
                                 read_timeout=5, write_timeout=5):
                return True
        except (OSError, amqp.exceptions.AMQPError):
            return False


if __name__ == "__main__":
    sys.exit(serve(RabbitMQ, __doc__))
