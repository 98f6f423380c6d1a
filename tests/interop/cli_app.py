# SPDX-License-Identifier: BSD-3-Clause
"""The Celery app of test_python_cli.py: settings of its own, tasks that tell about their process."""

import logging
import os
import sys
import time

from celery import Celery, signals
from kombu import Queue

time.sleep(float(os.environ.get("CLI_APP_IMPORT", "0")))
app = Celery("cli_app")
app.conf.update(
    task_default_queue="first",
    task_queues=[Queue("first"), Queue("second", queue_arguments={"x-max-priority": 3})],
    worker_concurrency=3,
    broker_connection_timeout=9,
)
if "CLI_APP_SETTINGS" in os.environ:
    name, value = os.environ["CLI_APP_SETTINGS"].split("=", 1)
    app.conf[name] = value


@signals.worker_shutting_down.connect
def tell(sender: str, sig: str, how: str, exitcode: int, **_: object) -> None:
    """Leave a line where the test looks for it."""
    if "CLI_APP_FILE" in os.environ:
        with open(os.environ["CLI_APP_FILE"], "a", encoding="utf-8") as file:
            file.write(f"{sender} {sig} {how} {exitcode}\n")


@app.task
def add(left: int, right: int) -> int:
    """The sum."""
    return left + right


@app.task
def say(text: str) -> str:
    """Log and print."""
    logging.getLogger("mine").warning("logged %s", text)
    print(f"printed {text}")
    return text


@app.task
def about() -> dict[str, object]:
    """What the process is like."""
    return {"uid": os.getuid(), "groups": os.getgroups(), "umask": os.umask(0o22),
            "folder": os.getcwd(), "skip": os.environ.get("CELERY_SKIP_CHECKS"),
            "loader": type(app.loader).__name__, "broker": app.conf.broker_url}


@app.task
def wait(path: str) -> None:
    """Until somebody has opened and closed the other end of a pipe."""
    with open(path, encoding="utf-8") as file:
        file.read()


@app.task(acks_late=False)
def leave(status: int) -> None:
    """End the process."""
    sys.exit(status)


@app.task
def late() -> str:
    """Import a module of the working folder."""
    import found_late  # type: ignore[import-not-found]
    return str(found_late.NAME)


@app.task
def ask(queue: str) -> str:
    """Send another task; its id."""
    return str(add.apply_async((1, 2), queue=queue).id)
