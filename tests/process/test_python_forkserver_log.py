# SPDX-License-Identifier: BSD-3-Clause
"""What the forkserver logs: warnings of what celeriac does not do, and where its log goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from python_driver import Python

HEAD = """
from celery import Celery
app = Celery("proj", broker="amqp://")
"""


def hello(folder: Path, text: str, *options: str) -> Python:
    """A forkserver that has ended after HELLO."""
    (folder / "proj.py").write_text(HEAD + text)
    with Python("proj", folder, *options) as runtime:
        return runtime


# --- warnings ---

@pytest.mark.parametrize("text,warning", [
    ("app.conf.worker_send_task_events = True", "worker_send_task_events has no effect"),
    ("app.conf.worker_consumer = 'proj:Mine'", "the setting worker_consumer"),
    ("app.conf.worker_timer = 'proj:Mine'", "the setting worker_timer"),
    ("app.conf.worker_autoscaler = 'proj:Mine'", "the setting worker_autoscaler"),
    ("app.conf.broker_transport_options = {'confirm_publish': True, 'client_properties': {}}",
     "broker_transport_options client_properties:"),
    ("from celery import bootsteps\nclass Mine(bootsteps.StartStopStep): pass\n"
     "app.steps['worker'].add(Mine)", "bootsteps: proj.Mine, added to the worker,"),
    ("from celery import bootsteps\nclass Mine(bootsteps.ConsumerStep): pass\n"
     "app.steps['consumer'].add(Mine)", "bootsteps: proj.Mine, added to the worker's consumer,"),
    ("app.user_options['worker'].add(object())", "options that the app adds to the command line"),
    ("import threading\nthreading.Thread(target=threading.Event().wait, name='busy', "
     "daemon=True).start()", "the app has started threads while it was imported (busy)"),
])
def test_what_celeriac_does_not_do_is_named_once(tmp_path: Path, text: str, warning: str) -> None:
    log = hello(tmp_path, text).read_log()
    assert log.count(warning) == 1
    assert log.count(": WARNING/MainProcess] ") == 1


def test_settings_that_do_not_exist_are_named(tmp_path: Path) -> None:
    options = [f"--setting={name}=1" for name in (
        "task_acks_lat", "colour", "worker_lost_max_deliveries", "beat_max_loop_interval")]
    log = hello(tmp_path, "", *options).read_log()
    assert log.count(": WARNING/MainProcess] ") == 2
    assert "colour is not a setting of Celery and has no effect\n" in log
    assert "task_acks_lat is not a setting of Celery and has no effect: do you mean " \
        "task_acks_late?" in log


def test_an_ordinary_app_gets_no_warning(tmp_path: Path) -> None:
    log = hello(tmp_path, """
app.conf.beat_schedule = {"x": {"task": "y", "schedule": 1}}
app.conf.broker_transport_options = {"confirm_publish": True}
app.conf.worker_state_db = "state"
app.conf.task_default_rate_limit = 3
""").read_log()
    assert "WARNING/MainProcess" not in log


# --- log ---

def test_print_is_redirected_to_the_log(tmp_path: Path) -> None:
    text = """
from celery.signals import celeryd_after_setup
app.conf.update({settings})
@celeryd_after_setup.connect
def early(**kwargs):
    print("early")
"""
    log = hello(tmp_path, text.replace("{settings}", "")).read_log()
    assert "early\n" in log and "] early" not in log
    environment = "import os; print({k: v for k, v in os.environ.items() if 'CELERY_LOG' in k})"
    runtime = hello(tmp_path, text.replace("{settings}", "worker_redirect_stdouts_level='ERROR'")
                    + f"app.backend.as_uri = lambda: ({environment.partition('; ')[2]}, 'x')[1]\n"
                    + "import os\n")
    assert runtime.description["results"] == "x"
    assert "ERROR/MainProcess] {'CELERY_LOG_LEVEL': '20', 'CELERY_LOG_FILE': '', " \
        "'CELERY_LOG_REDIRECT': '1', 'CELERY_LOG_REDIRECT_LEVEL': 'ERROR'}" in runtime.read_log()


def test_the_log_goes_to_the_file_that_celery_would_write(tmp_path: Path) -> None:
    hello(tmp_path, "app.conf.worker_timer = 'solo'", "--logfile", str(tmp_path / "%n-%h%I.log"))
    assert "the setting worker_timer" in (tmp_path / "celery-test.log").read_text()


def test_an_app_may_set_up_its_log_itself(tmp_path: Path) -> None:
    log = hello(tmp_path, """
from celery.signals import setup_logging
import logging
app.conf.worker_timer = "solo"
@setup_logging.connect
def mine(**kwargs):
    logging.basicConfig(format="MINE %(message)s")
""").read_log()
    assert "MINE celeriac does not support the setting worker_timer" in log
