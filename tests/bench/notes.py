# SPDX-License-Identifier: BSD-3-Clause
"""Workers whose tasks write down when they ran (bench_tasks.c), and the tasks for them."""

from __future__ import annotations

import json
import tempfile
import time
import uuid
from array import array
from datetime import datetime, timezone
from pathlib import Path
from statistics import quantiles
from types import TracebackType
from typing import Any, Mapping, Sequence

from bench.report import RELEASE, ROOT, build_release, run_steps
from support.amqp import Client, task_message
from support.process import wait_until
from support.worker import Worker

TASKS = ROOT / "build/bench/libbench_tasks.so"
# A broker that reads nothing for a second costs us the connection: wait for it now and then.
SENT_AHEAD = 1000
# The queue of the benchmarks, and where its tasks are parked.
QUEUES = ("bench", *(f"celeriac.delay.{2 ** power}p0.bench" for power in range(12)))
LEAN = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING")


def build(folder: str) -> None:
    """Build the tasks, and celeriac if it is the release build that is measured."""
    run_steps([["cmake", "--preset", "release", "-B", "build/bench", "-DCELERIAC_TESTS=ON"],
               ["cmake", "--build", "build/bench", "--target", "bench_tasks"]])
    if folder == RELEASE:
        build_release()


class Notes:
    """A worker of the bench tasks and what they write; stopped at the end of a with block."""

    def __init__(self, url: str, build_folder: str, *args: str, concurrency: int = 2) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="celeriac-notes-")
        self._path = Path(self._folder.name) / "notes"
        self._path.touch()
        self.worker = Worker(url, *LEAN, *args, app=TASKS, backend="disabled://",
                             concurrency=concurrency, build=ROOT / build_folder,
                             env={"CELERIAC_BENCH_NOTES": str(self._path)})

    def __enter__(self) -> "Notes":
        self.worker.launch()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self.worker.stop(60)
        finally:
            self.worker.close()
            self._folder.cleanup()

    def count(self) -> int:
        """How many notes there are."""
        return self._path.stat().st_size // 16

    def wait(self, count: int, seconds: float) -> None:
        """Wait until there are that many."""
        wait_until(lambda: self.count() >= count, seconds, f"{count} notes")

    def of(self, kind: int) -> list[float]:
        """The values of one kind, in the order of their ends."""
        numbers = array("d", self._path.read_bytes()[:self.count() * 16])
        return [value for one, value in zip(numbers[::2], numbers[1::2]) if one == kind]

    def rss_mb(self, field: str = "VmRSS") -> float:
        """Memory of the main process; VmHWM: the most that it ever was."""
        for line in Path(f"/proc/{self.worker.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024 / 1e6
        return 0.0


class Sender:
    """Publishes tasks made from one message, which is fast."""

    def __init__(self, client: Client, queue: str, task: str = "bench.note") -> None:
        self._client = client
        self._queue = queue
        self._message = task_message(task, ignore_result=True)
        self._sent = 0

    def send(self, *args: Any, eta: float | None = None) -> None:
        """One task; eta in seconds since 1970."""
        task_id = str(uuid.uuid4())
        self._message.properties["correlation_id"] = task_id
        headers = self._message.properties["application_headers"]
        headers["id"] = headers["root_id"] = task_id
        headers["eta"] = eta and datetime.fromtimestamp(eta, timezone.utc).isoformat()
        self._message.body = json.dumps([args, {}, None])
        self._client.publish(self._message, self._queue)
        self._sent += 1
        if self._sent % SENT_AHEAD == 0:
            self._client.counts(self._queue)

    def pace(self, kind: int, per_second: float, seconds: float) -> int:
        """Notes at an even pace; how many were sent."""
        began = time.time()
        count = int(per_second * seconds)
        for number in range(count):
            left = began + number / per_second - time.time()
            if left > 0.001:
                time.sleep(left)
            self.send(kind, time.time())
        return count


def clear(client: Client) -> None:
    """Take what is left off the broker, which the next row shall have for itself."""
    for queue in QUEUES:
        client.channel.queue_delete(queue)


def drained(client: Client, queue: str, seconds: float) -> None:
    """Wait until the worker has taken everything."""
    wait_until(lambda: client.counts(queue)[0] == 0, seconds, f"end of queue {queue}", pause=0.01)


def milliseconds(values: Sequence[float]) -> Mapping[str, float]:
    """Percentiles of seconds."""
    cuts = quantiles(values, n=100)
    return {"p50 ms": cuts[49] * 1e3, "p99 ms": cuts[98] * 1e3, "max ms": max(values) * 1e3}
