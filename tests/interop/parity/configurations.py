# SPDX-License-Identifier: BSD-3-Clause
"""How the workers are started: the settings class of the app and the command line."""

from __future__ import annotations

from dataclasses import dataclass, field

APP = "interop.parity.app"
# What both workers are given: no waiting for neighbours, and a name that results may show.
COMMON = ("-n", "parity@%h", "--without-mingle", "--without-gossip", "--without-heartbeat")


@dataclass(frozen=True)
class Configuration:
    """One pair of workers."""

    settings: str
    app: str = APP
    args: tuple[str, ...] = ()
    celeriac_args: tuple[str, ...] = ("--celery-acks",)
    concurrency: int = 4
    backend: str = "redis"
    env: dict[str, str] = field(default_factory=dict)
    killed: bool = False


CONFIGURATIONS = {
    "main": Configuration("Main"),
    "rpc": Configuration("Rpc", app=f"{APP}.celery", backend="rpc", concurrency=2,
                         env={"PARITY_SIGNALS": "few"}),
    "extended": Configuration("Extended", app=f"{APP}.celery:app", concurrency=2),
    "pickle": Configuration("Pickle", app=f"{APP}.celery:app", killed=True),
    "custom": Configuration("Custom", backend="", concurrency=2,
                            env={"PARITY_SIGNALS": "logging"}),
    # Celery's pool does not always end after it has lost processes.
    "limits": Configuration("Plain", concurrency=6, killed=True),
    # celeriac's defaults, against Celery with the settings that are these.
    "late": Configuration("Late", celeriac_args=(), concurrency=3,
                          args=("--time-limit", "30", "-f", "%n-%I.log")),
    "recycle": Configuration("Plain", args=("--max-tasks-per-child", "2"), concurrency=1),
    "memory": Configuration("Plain", args=("--max-memory-per-child", "250000"), concurrency=1),
}
