# SPDX-License-Identifier: BSD-3-Clause
"""What queues do to tasks: priorities, delayed delivery, queues of a worker's own, queues that are made
when a task sends to them, and what a task sees of the way that its message took."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import Any, Callable

import amqp as amqplib
import pytest

from interop.broker import GRAVEYARD, Replies
from interop.test_parking import iso
from support import celery56
from support.amqp import Client, task_message
from support.client import celery_client
from support.process import wait_until
from support.rabbitmq import RabbitMQ
from support.worker import ROOT, BaseWorker, CeleryWorker, Worker

SOURCE = Path(__file__).with_name("queue_tasks.c")
CRASHES = 3
QUORUM = """[celery]
task_default_queue = jobs
task_default_queue_type = quorum
task_default_exchange = jobs
task_default_exchange_type = topic
task_default_routing_key = job.one
"""
# As celeriac has them, [exchange, routing key, priority, retries, redelivered, losses seen].
Story = list[Any]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tasks of queue_tasks.c."""
    path = tmp_path_factory.mktemp("queues") / "libqueue_tasks.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror",
                    f"-I{ROOT / 'include'}", "-o", str(path), str(SOURCE)], check=True)
    return path


@pytest.fixture
def native(worker: Callable[..., BaseWorker], library: Path,
           tmp_path: Path) -> Callable[..., BaseWorker]:
    """Start celeriac with these tasks: native(configuration file's text, argument...)."""
    def start(config: str, *args: str, **options: Any) -> BaseWorker:
        file = tmp_path / "celeriac.ini"
        file.write_text(config)
        return worker(*args, app=library, config=file, **options)
    return start


def last_result(replies: Replies, task: str) -> Any:
    """Of a task that is retried: each retry is a reply, too."""
    while replies.document(task)["status"] == "RETRY":
        assert replies.drain(10), "no result behind a retry"
    return replies.result(task)


# --- priorities ---

def overtaken(path: Path, url: str, amqp: Client, worker: BaseWorker) -> str:
    """The order of 6 low and 6 high ones that wait behind a long one, as letters."""
    with worker, celery_client(url, task_queue_max_priority=10) as client:
        client.send_task("example.sleep", (1.5,), ignore_result=True)
        wait_until(lambda: amqp.counts("celery")[0] == 0, 10, "the long one under way")
        for priority, letter in ((1, "l"), (9, "h")):
            for _ in range(6):
                client.send_task("example.append", (str(path), letter), priority=priority,
                                 ignore_result=True)
        wait_until(lambda: path.exists() and len(path.read_text().split()) == 12, 20,
                   "all of them")
    return "".join(path.read_text().split())


@pytest.mark.parametrize("multiplier", [1, 4])
@pytest.mark.parametrize("kind", [Worker, CeleryWorker])
def test_high_priority_overtakes_what_is_not_in_the_window(
        kind: Callable[..., BaseWorker], multiplier: int, tmp_path: Path, broker_url: str,
        amqp: Client) -> None:
    one = kind(broker_url, f"--prefetch-multiplier={multiplier}", "task.queue_max_priority=10",
               concurrency=1)
    order = overtaken(tmp_path / "order", broker_url, amqp, one)
    # The window is first in, first out: low ones that were in it are not overtaken.
    low_first = len(order) - len(order.lstrip("l"))
    assert low_first <= multiplier
    assert order == "l" * low_first + "h" * 6 + "l" * (6 - low_first)


def test_priority_stays_through_loss_and_retry(native: Callable[..., BaseWorker], amqp: Client,
                                               replies: Replies, tmp_path: Path) -> None:
    native("[celery]\ntask_queue_max_priority = 10\n")
    for task, args, retries in (("queues.crash_once", (str(tmp_path / "once"),), 0),
                                ("queues.retry", (0.3, 2), 2)):
        message = task_message(task, args, reply_to=replies.queue)
        message.properties["priority"] = 7
        amqp.publish(message, "celery")
        story = last_result(replies, message.properties["correlation_id"])
        assert story[2:4] == [7, retries]


# --- copies ---

def test_copy_of_a_lost_task_is_the_message_that_it_was(
        graveyard: None, worker: Callable[..., BaseWorker], amqp: Client) -> None:
    amqp.declare_task_queue()
    message = task_message("example.crash", mine="yes")
    message.properties.update(priority=3, message_id="m-1", type="t", app_id="a", user_id="guest",
                              timestamp=1234567890, expiration="600000", reply_to="nobody")
    amqp.publish(message, "celery", exchange="celery")
    worker()
    dead = amqp.wait_message(GRAVEYARD, 20)
    for name in ("priority", "message_id", "type", "app_id", "user_id", "reply_to",
                 "correlation_id", "content_type", "content_encoding", "delivery_mode"):
        assert dead.properties[name] == message.properties[name], name
    stamp = dead.properties["timestamp"]
    assert (stamp if isinstance(stamp, int) else int(stamp.timestamp())) == 1234567890
    assert dead.headers["x-worker-lost-count"] == CRASHES - 1
    origin = dead.headers["x-worker-origin"]
    assert (origin["exchange"], origin["routing_key"]) == ("celery", "celery")


def test_lost_task_sees_the_way_that_its_sender_chose(
        native: Callable[..., BaseWorker], amqp: Client, replies: Replies, tmp_path: Path) -> None:
    native("[queue feeds]\nexchange = feeds\nexchange_type = topic\nrouting_key = feed.#\n")
    message = task_message("queues.crash_once", (str(tmp_path / "once"),), reply_to=replies.queue)
    amqp.publish(message, "feed.a.b", exchange="feeds")
    story = replies.result(message.properties["correlation_id"])
    assert story == ["feeds", "feed.a.b", 0, 0, True, False]


# --- queues of a worker's own ---

def test_worker_direct_queue_reaches_this_worker(native: Callable[..., BaseWorker], amqp: Client,
                                                 replies: Replies) -> None:
    native("[celery]\nworker_direct = true\n", "-n", "w1@here")
    message = task_message("queues.look", reply_to=replies.queue)
    amqp.publish(message, "w1@here", exchange="C.dq2")
    assert replies.result(message.properties["correlation_id"])[:2] == ["C.dq2", "w1@here"]


def test_broadcast_reaches_every_worker(native: Callable[..., BaseWorker], amqp: Client,
                                        replies: Replies) -> None:
    config = "[queue everybody]\nbroadcast = true\n"
    for name in ("a", "b"):
        native(config, "-n", f"{name}@here", "-Q", "everybody")
    message = task_message("queues.look", reply_to=replies.queue)
    amqp.publish(message, "", exchange="everybody")
    task = message.properties["correlation_id"]
    replies.wait(task)
    wait_until(lambda: replies.drain(0.1) and replies.repeated == [task], 10, "the second worker")


def test_queue_with_other_arguments_is_named(amqp: Client, library: Path, broker_url: str) -> None:
    amqp.declare("celery", arguments={"x-max-priority": 3})
    with Worker(broker_url, "--set", "task_queue_max_priority=5",
                app=library).launched() as running:
        assert running.wait() == 1
        log = running.read_log()
    assert "Cannot declare queue 'celery': 406 PRECONDITION_FAILED" in log
    assert "inequivalent arg 'x-max-priority'" in log and "received '5' but current is '3'" in log


def test_example_file_declares_what_it_says(worker: Callable[..., BaseWorker], rabbitmq: RabbitMQ,
                                            vhost: str) -> None:
    running = worker("-n", "w1@here", config=ROOT / "examples" / "celeriac.ini")
    log = running.read_log()
    for line in (r"celery +exchange=celery\(direct\) key=celery",
                 r"feeds +exchange=feeds\(topic\) key=feed\.#",
                 r"w1@here\.dq2 +exchange=C\.dq2\(direct\) key=w1@here",
                 r"bcast\.\S+ +exchange=announcements\(fanout\)"):
        assert re.search(rf"^\.> {line}", log, re.MULTILINE)
    names = set(rabbitmq.queues(vhost))
    assert {"celery", "feeds", "images", "payments", "audit", "celery_delayed_27"} <= names


def test_queue_sections_are_not_for_apps(tmp_path: Path, broker_url: str) -> None:
    file = tmp_path / "celeriac.ini"
    file.write_text("[queue a]\nexchange = a\n")
    with Worker(broker_url, app="interop.topology_app", config=file).launched() as running:
        assert running.wait() == 2
        assert "[queue NAME] sections are for native tasks" in running.read_log()


# --- where messages go that tasks send ---

def sent_to(amqp: Client, queue: str, countdown: float = 0) -> str:
    """Have a task send queues.look to a queue; the task's id."""
    return amqp.send_task("queues.send", (queue, countdown))


def test_queue_is_made_when_a_task_sends_to_it(native: Callable[..., BaseWorker], amqp: Client,
                                               rabbitmq: RabbitMQ, vhost: str) -> None:
    native("[celery]\ntask_create_missing_queue_type = quorum\n")
    for _ in range(3):
        sent_to(amqp, "fresh")
    wait_until(lambda: rabbitmq.queues(vhost).get("fresh", (0, 0))[0] == 3, 10, "three messages")
    # As Celery would declare it: else this would be refused.
    amqp.declare("fresh", arguments={"x-queue-type": "quorum"})
    amqp.channel.exchange_declare("fresh", "direct", durable=True, auto_delete=False)
    amqp.publish("bound", "fresh", exchange="fresh")
    amqp.wait_ready("fresh", 4)


def test_queue_is_not_made_where_that_is_switched_off(native: Callable[..., BaseWorker],
                                                      amqp: Client) -> None:
    running = native("[celery]\ntask_create_missing_queues = false\n")
    sent_to(amqp, "fresh")
    running.wait_log("its queue is not in task_queues, and task_create_missing_queues is off")
    with pytest.raises(amqplib.NotFound):
        amqp.counts("fresh")


def test_message_goes_through_the_exchange_of_its_queue(native: Callable[..., BaseWorker],
                                                        amqp: Client) -> None:
    native("[queue celery]\nexchange = celery\n"
           "[queue feeds]\nexchange = feeds\nexchange_type = topic\nrouting_key = feed.one\n",
           "-Q", "celery")
    amqp.channel.exchange_declare("feeds", "topic", durable=True, auto_delete=False)
    amqp.declare("spy")
    amqp.channel.queue_bind("spy", "feeds", "#")
    sent_to(amqp, "feeds")
    spied = amqp.wait_message("spy")
    assert spied.delivery_info["routing_key"] == "feed.one"
    assert spied.headers["task"] == "queues.look"
    amqp.wait_ready("feeds", 1)


# --- native delayed delivery ---

def delayed_key(seconds: int, key: str) -> str:
    """The routing key of a message that is due in so many seconds."""
    return ".".join(f"{seconds:028b}") + f".{key}"


def test_delayed_message_of_a_newer_client_arrives_when_it_is_due(
        native: Callable[..., BaseWorker], amqp: Client, replies: Replies) -> None:
    native(QUORUM)
    message = task_message("queues.look", reply_to=replies.queue, eta=iso(3))
    began = time.monotonic()
    amqp.publish(message, delayed_key(3, "job.one"), exchange="celery_delayed_27")
    story = replies.result(message.properties["correlation_id"])
    assert 2.8 < time.monotonic() - began < 8
    assert story[:2] == ["celery_delayed_delivery", delayed_key(3, "job.one")]


@celery56.needs_celery56
def test_countdown_of_the_newest_celery_goes_through_the_delay_line(
        native: Callable[..., BaseWorker], broker_url: str, replies: Replies) -> None:
    running = native(QUORUM)
    script = f"""
from celery import Celery
app = Celery(broker={broker_url!r})
app.conf.update(task_default_queue="jobs", task_default_queue_type="quorum",
                task_default_exchange="jobs", task_default_exchange_type="topic",
                task_default_routing_key="job.one")
print(app.send_task("queues.look", countdown=3, reply_to={replies.queue!r}).id)
"""
    sent = subprocess.run([celery56.PYTHON, "-c", script], capture_output=True, text=True,
                          timeout=30, check=True)
    story = replies.result(sent.stdout.strip())
    assert story[:2] == ["celery_delayed_delivery", delayed_key(3, "job.one")]
    assert "is due in" not in running.read_log()


def test_retry_waits_in_the_delay_line(native: Callable[..., BaseWorker], amqp: Client,
                                       replies: Replies) -> None:
    native(QUORUM)
    message = task_message("queues.retry", (2.5, 2), reply_to=replies.queue)
    amqp.publish(message, "job.one", exchange="jobs")
    story = last_result(replies, message.properties["correlation_id"])
    # The second retry's key has not grown by the first one's.
    assert story[:4] == ["celery_delayed_0", delayed_key(2, "job.one"), 0, 2]


def test_countdown_of_a_task_waits_in_the_delay_line(native: Callable[..., BaseWorker],
                                                     amqp: Client) -> None:
    native(QUORUM)
    amqp.declare("spy")
    amqp.channel.queue_bind("spy", "celery_delayed_27", "#")
    message = task_message("queues.send", ("jobs", 100.5))
    amqp.publish(message, "job.one", exchange="jobs")
    spied = amqp.wait_message("spy")
    assert spied.delivery_info["routing_key"] == delayed_key(100, "job.one")


def test_countdown_on_a_direct_exchange_does_not(native: Callable[..., BaseWorker],
                                                 amqp: Client, replies: Replies) -> None:
    native("[celery]\ntask_default_queue_type = quorum\n")
    message = task_message("queues.retry", (1.5, 1), reply_to=replies.queue)
    amqp.publish(message, "celery")
    story = last_result(replies, message.properties["correlation_id"])
    assert story[:4] == ["", "celery", 0, 1]


def test_worker_works_where_the_delay_line_cannot_be(native: Callable[..., BaseWorker],
                                                     amqp: Client, replies: Replies) -> None:
    amqp.declare("celery_delayed_5")  # with other arguments
    running = native(QUORUM)
    assert "celery_delayed_5" in running.read_log()
    message = task_message("queues.look", reply_to=replies.queue)
    amqp.publish(message, "job.one", exchange="jobs")
    assert replies.result(message.properties["correlation_id"])[0] == "jobs"
