# SPDX-License-Identifier: BSD-3-Clause
"""A throwaway RabbitMQ node on loopback; as a program it serves until its stdin closes.

python3 -m support.rabbitmq prints the AMQP URL once the node accepts a connection. Each line
on its stdin is then a command, answered by one line: "ok", or "error" and the reason.
    restart | kill | stop | start | alarm on | alarm off | close-connections | ctl ARGS...
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

import amqp

from support.process import Process, Timeout, free_ports, wait_until

HOME = Path("/usr/lib/rabbitmq/bin")
START_SECONDS = 60.0
STOP_SECONDS = 20.0
CTL_SECONDS = 60.0


class RabbitMQ:
    """One node with its own name, ports, cookie, data folder and port mapper (epmd)."""

    def __init__(self, memory_watermark: float = 0.4, settings: dict[str, str] | None = None,
                 plugins: tuple[str, ...] = ()) -> None:
        if not (HOME / "rabbitmq-server").exists():
            raise RuntimeError("rabbitmq-server is not installed; run "
                               "scripts/install-dependencies")
        self.folder = Path(tempfile.mkdtemp(prefix="celeriac-rabbitmq-"))
        self.port, self._dist_port, self._epmd_port = free_ports(3)
        self.node = f"celeriac-{os.getpid()}-{self.port}@127.0.0.1"
        self._watermark = memory_watermark
        self._settings = settings or {}
        self._plugins = plugins
        self._server: Process | None = None
        self._epmd: Process | None = None
        self._env = self._environment()

    @property
    def url(self) -> str:
        """The AMQP URL of the default virtual host."""
        return self.url_of("/")

    def url_of(self, vhost: str) -> str:
        """The AMQP URL of a virtual host."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{vhost.replace('/', '%2f')}"

    def start(self) -> "RabbitMQ":
        """Start the node and return when it has accepted an AMQP connection."""
        try:
            self._start_epmd()
            self._write_config()
            self._server = Process([str(HOME / "rabbitmq-server")], self.folder / "server.log",
                                   self._env, self.folder)
            wait_until(self._accepts, START_SECONDS, "RabbitMQ node that accepts connections")
        except BaseException as error:
            log = self._log_tail()
            self.close()
            if isinstance(error, (Timeout, RuntimeError)):
                raise RuntimeError(f"{error}\n{log}") from None
            raise
        return self

    def stop(self) -> None:
        """Shut the node down in good order; its data stays for start()."""
        if self._server:
            self._server.stop(STOP_SECONDS)
            self._server = None

    def kill(self) -> None:
        """End the node as a power cut would; its data stays for start()."""
        if self._server:
            self._server.kill()
            self._server = None

    def restart(self) -> None:
        """stop() and start(): same port, same data."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End everything that was started and remove the folder."""
        self.kill()
        if self._epmd:
            self._epmd.kill()
            self._epmd = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def ctl(self, *args: str) -> str:
        """Run rabbitmqctl against this node and return what it printed."""
        done = subprocess.run(
            [str(HOME / "rabbitmqctl"), "--longnames", "--node", self.node, "--quiet", *args],
            env=self._env, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=CTL_SECONDS, check=False)
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(args)}: {done.stderr or done.stdout}")
        return done.stdout

    def set_memory_alarm(self, on: bool) -> None:
        """Raise or clear the memory alarm, under which the broker blocks publishers."""
        watermark = "0.00001" if on else str(self._watermark)
        self.ctl("set_vm_memory_high_watermark", watermark)

    def close_connections(self, reason: str = "closed by a test") -> None:
        """Close every client connection from the broker's side."""
        self.ctl("close_all_connections", reason)

    def queues(self, vhost: str = "/") -> dict[str, tuple[int, int]]:
        """Each queue's name with its (ready, unacknowledged) messages."""
        lines = self.ctl("list_queues", "--vhost", vhost, "--no-table-headers", "name",
                         "messages_ready", "messages_unacknowledged").splitlines()
        rows = (line.split("\t") for line in lines if line.count("\t") == 2)
        return {name: (int(ready), int(unacked)) for name, ready, unacked in rows}

    def add_vhost(self, vhost: str) -> str:
        """Make a virtual host that guest may use, and return its URL."""
        self.ctl("add_vhost", vhost)
        self.ctl("set_permissions", "--vhost", vhost, "guest", ".*", ".*", ".*")
        return self.url_of(vhost)

    def delete_vhost(self, vhost: str) -> None:
        """Remove a virtual host with all that is in it."""
        self.ctl("delete_vhost", vhost)

    def __enter__(self) -> "RabbitMQ":
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def _environment(self) -> dict[str, str]:
        folder = str(self.folder)
        kept = {key: value for key, value in os.environ.items()
                if not key.startswith(("RABBITMQ_", "ERL_")) and key != "NOTIFY_SOCKET"}
        return kept | {
            "HOME": folder,
            "RABBITMQ_NODENAME": self.node,
            # A name with an address needs no /etc/hosts, which a bare chroot does not have.
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none",
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
            "vm_memory_high_watermark.relative": str(self._watermark),
            "disk_free_limit.absolute": "10MB",
            "log.file.level": "info",
        } | self._settings
        lines = [f"{key} = {value}\n" for key, value in settings.items()]
        (self.folder / "rabbitmq.conf").write_text("".join(lines))
        (self.folder / "plugins").write_text(f"[{','.join(self._plugins)}].\n")
        (self.folder / "none").touch()

    def _start_epmd(self) -> None:
        """Our own port mapper, so that no node starts one that outlives it."""
        if self._epmd and self._epmd.poll() is None:
            return
        self._epmd = Process(["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"],
                             self.folder / "epmd.log", self._env, self.folder)

    def _accepts(self) -> bool:
        assert self._server
        status = self._server.poll()
        if status is not None:
            raise RuntimeError(f"rabbitmq-server ended with status {status} (port "
                               f"{self.port} taken?)")
        try:
            with amqp.Connection(f"127.0.0.1:{self.port}", connect_timeout=5) as connection:
                connection.channel()
            return True
        except (OSError, amqp.exceptions.AMQPError):
            return False

    def _log_tail(self) -> str:
        log = self.folder / "server.log"
        return "\n".join(log.read_text().splitlines()[-20:]) if log.exists() else ""


def _obey(node: RabbitMQ, line: str) -> str:
    """Carry out one command line and return the answer."""
    commands = {
        "restart": node.restart, "kill": node.kill, "stop": node.stop, "start": node.start,
        "alarm on": lambda: node.set_memory_alarm(True),
        "alarm off": lambda: node.set_memory_alarm(False),
        "close-connections": node.close_connections,
    }
    try:
        if line.startswith("ctl "):
            node.ctl(*line.split()[1:])
        elif line in commands:
            commands[line]()
        else:
            return f"error unknown command: {line}"
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return "error " + " ".join(str(error).split())
    return "ok"


def _serve() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(0))
    try:
        with RabbitMQ() as node:
            print(node.url, flush=True)
            for line in sys.stdin:
                print(_obey(node, line.strip()), flush=True)
    except RuntimeError as error:
        print(f"rabbitmq: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(__doc__.strip())
        sys.exit(0 if sys.argv[1] in ("-h", "--help") else 2)
    sys.exit(_serve())
