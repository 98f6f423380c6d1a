# SPDX-License-Identifier: BSD-3-Clause
"""What the forkserver says of an app: tasks, settings, broker, queues, results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from python_driver import Python, start_failing, write_files

HEAD = """
from celery import Celery
from kombu import Exchange, Queue, binding
from kombu.common import Broadcast
app = Celery("proj", broker="amqp://")
"""


def write_app(folder: Path, text: str, **modules: str) -> Path:
    """An app and what follows it."""
    write_files(folder, **modules)
    (folder / "proj.py").write_text(HEAD + text)
    return folder


def hello(folder: Path, text: str, *options: str, environment: dict[str, str | None] | None = None,
          **modules: str) -> Python:
    """A forkserver that has ended after HELLO."""
    write_app(folder, text, **modules)
    with Python("proj", folder, *options, environment=environment) as runtime:
        return runtime


def configured(folder: Path, *options: str, environment: dict[str, str | None] | None = None,
               **settings: Any) -> dict[str, Any]:
    """HELLO's settings of an app with settings."""
    return hello(folder, f"app.conf.update({settings!r})", *options,
                 environment=environment).settings


def refused(folder: Path, text: str) -> str:
    """Why an app is refused."""
    return start_failing("proj", write_app(folder, text))


# --- tasks ---

def test_tasks_come_with_their_options(tmp_path: Path) -> None:
    tasks = hello(tmp_path, """
app.conf.task_default_rate_limit = "9/m"
@app.task(acks_late=False, ignore_result=True, time_limit=30, soft_time_limit=2.5, rate_limit=4,
          max_retries=None, typing=False, send_events=False)
def special(): pass
@app.task
def plain(): pass
""").description["tasks"]
    assert tasks["proj.special"] == {
        "acks_late": False, "reject_on_worker_lost": True, "acks_on_failure_or_timeout": True,
        "ignore_result": True, "send_events": False, "time_limit": 30, "soft_time_limit": 2.5,
        "rate_limit": 4, "max_retries": None, "typing": False, "track_started": False,
        "store_errors_even_if_ignored": False}
    plain = tasks["proj.plain"]
    assert plain["acks_late"] is True and plain["rate_limit"] == "9/m"
    assert plain["time_limit"] is None and plain["max_retries"] == 3 and plain["typing"] is True
    assert "celery.chord_unlock" in tasks


@pytest.mark.parametrize("settings,options,late,lost", [
    ({}, [], True, True),
    ({}, ["--celery-acks"], False, None),
    ({"task_acks_late": False}, [], False, True),
    ({"task_acks_late": True}, ["--celery-acks"], True, None),
    ({"CELERY_ACKS_LATE": False, "CELERY_TASK_SERIALIZER": "json"}, [], False, True),
    ({"CELERY_TASK_SERIALIZER": "json"}, [], True, True),
])
def test_acks_are_safe_unless_the_app_says_otherwise(
        tmp_path: Path, settings: dict[str, Any], options: list[str], late: bool,
        lost: bool | None) -> None:
    runtime = hello(tmp_path, f"app.conf.update({settings!r})\n@app.task\ndef work(): pass\n",
                    *options)
    for told in (runtime.description["tasks"]["proj.work"], {
            name[len("task_"):]: value for name, value in runtime.settings.items()}):
        assert told["acks_late"] is late
        assert told["reject_on_worker_lost"] is lost


# --- settings ---

def test_settings_are_the_apps(tmp_path: Path) -> None:
    settings = configured(
        tmp_path, task_time_limit=20, worker_prefetch_multiplier=7, timezone="Europe/Oslo",
        enable_utc=False, accept_content=["json", "yaml"], result_expires=90, event_exchange="ev",
        control_exchange="ctl", worker_lost_max_deliveries=5, worker_max_tasks_per_child=100,
        task_default_queue="jobs", task_queue_max_priority=9, broker_connection_max_retries=None,
        worker_disable_rate_limits=True, worker_send_task_events=True)
    for name, value in {
            "task_time_limit": 20, "task_soft_time_limit": None, "worker_prefetch_multiplier": 7,
            "timezone": "Europe/Oslo", "enable_utc": False, "accept_content": ["json", "yaml"],
            "result_expires": 90, "event_exchange": "ev", "control_exchange": "ctl",
            "worker_lost_max_deliveries": 5, "worker_max_tasks_per_child": 100,
            "task_default_queue": "jobs", "task_default_exchange": "jobs",
            "task_default_routing_key": "jobs", "task_queue_max_priority": 9,
            "broker_connection_max_retries": None, "worker_concurrency": None,
            "worker_disable_rate_limits": True, "worker_send_task_events": True}.items():
        assert settings[name] == value, name


@pytest.mark.parametrize("how", ["app.conf.worker_prefetch_multiplier = 4",
                                 "app.conf.update(worker_prefetch_multiplier=4)",
                                 "app.add_defaults({'worker_prefetch_multiplier': 4})"])
def test_prefetch_multiplier_is_told_if_the_app_chose_it(tmp_path: Path, how: str) -> None:
    assert "worker_prefetch_multiplier" not in configured(tmp_path)
    assert hello(tmp_path, "app = Celery('proj')\n" + how).settings[
        "worker_prefetch_multiplier"] == 4


def test_settings_are_plain_values(tmp_path: Path) -> None:
    settings = configured(tmp_path)
    assert settings["result_expires"] == 86400.0
    assert "worker_lost_max_deliveries" not in settings
    for name, value in settings.items():
        assert value is None or isinstance(value, (bool, int, float, str)) \
            or all(isinstance(item, str) for item in value), name


def test_old_names_are_understood(tmp_path: Path) -> None:
    write_files(tmp_path, config="""
        BROKER_URL = "amqp://old//"
        CELERYD_CONCURRENCY = 3
        CELERYD_PREFETCH_MULTIPLIER = 2
        CELERYD_TASK_TIME_LIMIT = 11
        CELERY_DEFAULT_QUEUE = "old"
        CELERY_TIMEZONE = "Asia/Tokyo"
        CELERY_ACCEPT_CONTENT = ("json", "msgpack")
    """)
    runtime = hello(tmp_path, "app = Celery('proj')\napp.config_from_object('config')")
    settings = runtime.settings
    assert settings["broker_url"] == "amqp://guest:guest@old:5672/%2F"
    assert (settings["worker_concurrency"], settings["worker_prefetch_multiplier"]) == (3, 2)
    assert (settings["task_time_limit"], settings["timezone"]) == (11, "Asia/Tokyo")
    assert settings["accept_content"] == ["json", "msgpack"]
    assert list(runtime.queues) == ["old"]


def test_options_of_the_worker_come_before_the_app(tmp_path: Path) -> None:
    settings = configured(
        tmp_path, "--concurrency", "5", "--time-limit", "3.5", "--soft-time-limit", "2",
        "--max-tasks-per-child", "10", "--max-memory-per-child", "9000", "--prefetch-multiplier",
        "1", "--task-events", worker_concurrency=1, task_time_limit=1)
    assert settings["worker_concurrency"] == 5 and settings["worker_prefetch_multiplier"] == 1
    assert (settings["task_time_limit"], settings["task_soft_time_limit"]) == (3.5, 2.0)
    assert settings["worker_max_tasks_per_child"] == 10
    assert settings["worker_max_memory_per_child"] == 9000
    assert settings["worker_send_task_events"] is True


def test_signal_handlers_may_still_change_the_worker(tmp_path: Path) -> None:
    runtime = hello(tmp_path, """
from celery.signals import celeryd_init, celeryd_after_setup, worker_init
@celeryd_init.connect(sender="celery@test")
def init(sender, instance, conf, options, **kwargs):
    conf.task_default_queue = "changed"
    conf.worker_prefetch_multiplier = options["queues"] and 8
@worker_init.connect
def started(sender, **kwargs):
    sender.time_limit = 99
@celeryd_after_setup.connect
def after(sender, instance, conf, **kwargs):
    instance.concurrency = 6
    instance.app.amqp.queues.select_add("direct." + sender)
""", "--queues", "a")
    settings = runtime.settings
    assert settings["task_default_queue"] == "changed"
    assert settings["worker_prefetch_multiplier"] == 8
    assert (settings["worker_concurrency"], settings["task_time_limit"]) == (6, 99)
    assert sorted(runtime.queues) == ["a", "direct.celery@test"]


def test_settings_of_celeriac_reach_the_app(tmp_path: Path) -> None:
    settings = configured(
        tmp_path, "--setting", "task_acks_late=no", "--setting", "task_time_limit=7.5",
        "--setting", "worker_prefetch_multiplier=3", "--setting", "accept_content=json,yaml",
        "--setting", "task_soft_time_limit=None", "--setting", "no_such_thing=1",
        "--setting", "worker_lost_max_deliveries=9", "--setting", "event_exchange=a=b",
        task_acks_late=True, task_soft_time_limit=1)
    assert settings["task_acks_late"] is False and settings["task_time_limit"] == 7.5
    assert settings["worker_prefetch_multiplier"] == 3
    assert settings["accept_content"] == ["json", "yaml"]
    assert settings["task_soft_time_limit"] is None and settings["event_exchange"] == "a=b"
    assert "no_such_thing" not in settings and "worker_lost_max_deliveries" not in settings


def test_a_setting_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    text = start_failing("proj", write_app(tmp_path, ""), "--setting", "task_time_limit=soon")
    assert text.startswith("the setting task_time_limit cannot have this value")


# --- broker ---

@pytest.mark.parametrize("settings,url", [
    ({"broker_url": "amqp://"}, "amqp://guest:guest@localhost:5672/%2F"),
    ({"broker_url": "pyamqp://u@h:1//v"}, "amqp://u:guest@h:1/%2Fv"),
    ({"broker_url": "amqp://u%40:p%2F%3B%3A@h/a%2Fb"}, "amqp://u%40:p%2F%3B%3A@h:5672/a%2Fb"),
    ({"broker_url": "amqp://[::1]:7/"}, "amqp://guest:guest@[::1]:7/%2F"),
    ({"broker_url": "amqp://a;amqp://u:p@b:9/v"},
     "amqp://guest:guest@a:5672/%2F;amqp://u:p@b:9/v"),
    ({"broker_url": ["amqp://a", "amqp://b", "amqp://c"]},
     "amqp://guest:guest@a:5672/%2F;amqp://guest:guest@b:5672/%2F;amqp://guest:guest@c:5672/%2F"),
    ({"broker_url": "amqp://u@h", "broker_user": "x", "broker_password": "y", "broker_port": 8,
      "broker_vhost": "z"}, "amqp://u:y@h:8/z"),
    ({"broker_url": "h", "broker_transport": "amqp"}, "amqp://guest:guest@h:5672/%2F"),
    ({"broker_url": "amqps://h"}, "amqps://guest:guest@h:5671/%2F"),
    ({"broker_url": "amqp://h", "broker_use_ssl": True}, "amqps://guest:guest@h:5671/%2F"),
    ({"broker_url": "amqp://h?heartbeat=7"}, "amqp://guest:guest@h:5672/%2F?heartbeat=7"),
    ({"broker_url": "amqp://h?heartbeat=0"}, "amqp://guest:guest@h:5672/%2F?heartbeat=0"),
    ({"broker_url": "amqp://h", "broker_heartbeat": 0}, "amqp://guest:guest@h:5672/%2F"),
    ({"broker_url": "amqp://h", "broker_heartbeat": None}, "amqp://guest:guest@h:5672/%2F"),
    ({"broker_url": "amqp://h?connect_timeout=2"},
     "amqp://guest:guest@h:5672/%2F?connection_timeout=2"),
    ({"broker_url": "amqps://h?ssl_cert_reqs=CERT_NONE&ssl_ca_certs=/ca%20s.pem"},
     "amqps://guest:guest@h:5671/%2F?ssl_cert_reqs=CERT_NONE&ssl_ca_certs=%2Fca+s.pem"),
    ({"broker_url": "amqp://h:1", "broker_use_ssl": {
        "ca_certs": "/ca", "certfile": "/cert", "keyfile": "/key", "cert_reqs": 2,
        "server_hostname": "h", "ssl_version": None}},
     "amqps://guest:guest@h:1/%2F?ssl_ca_certs=%2Fca&ssl_certfile=%2Fcert&ssl_keyfile=%2Fkey"
     "&ssl_cert_reqs=CERT_REQUIRED"),
])
def test_the_broker_is_a_list_of_urls(tmp_path: Path, settings: dict[str, Any], url: str) -> None:
    assert configured(tmp_path, **settings)["broker_url"] == url


def test_reading_and_writing_may_have_brokers_of_their_own(tmp_path: Path) -> None:
    settings = configured(tmp_path, broker_read_url="amqp://r", broker_write_url="amqp://w")
    assert settings["broker_url"] == "amqp://guest:guest@r:5672/%2F"
    assert "broker_write_url" not in settings


@pytest.mark.parametrize("pool, name", [
    ("prefork", "prefork"), ("processes", "prefork"), ("gevent", "gevent"),
    ("celery.concurrency.prefork:TaskPool", "prefork"), ("proj:Mine", "proj:Mine")])
def test_the_pool_is_told(tmp_path: Path, pool: str, name: str) -> None:
    assert configured(tmp_path, worker_pool=pool)["worker_pool"] == name


def test_a_pool_may_be_a_class(tmp_path: Path) -> None:
    assert hello(tmp_path, """
from celery.concurrency import prefork, solo
app.conf.worker_pool = solo.TaskPool
""").settings["worker_pool"] == "celery.concurrency.solo.TaskPool"


def test_the_option_for_the_broker_comes_before_the_app(tmp_path: Path) -> None:
    settings = configured(tmp_path, broker_url="amqp://app", broker_use_ssl={"ca_certs": "/ca"},
                          environment={"CELERY_BROKER_URL": "amqp://option"})
    assert settings["broker_url"] == "amqps://guest:guest@option:5671/%2F?ssl_ca_certs=%2Fca"


@pytest.mark.parametrize("text,why", [
    ("app.conf.broker_use_ssl = {'ciphers': 'ALL'}", "the option ciphers of broker_use_ssl"),
    ("app.conf.broker_use_ssl = {'server_hostname': 'other'}", "the option server_hostname"),
    ("app.conf.broker_use_ssl = {'cert_reqs': 'maybe'}", "cert_reqs of broker_use_ssl"),
    ("app.conf.broker_login_method = 'EXTERNAL'", "celeriac logs in to the broker with PLAIN only"),
    ("app.conf.task_queues = [Queue('q', queue_arguments={'x': object()})]",
     "the argument x of the queue q is a object"),
])
def test_what_cannot_be_expressed_is_refused(tmp_path: Path, text: str, why: str) -> None:
    assert why in refused(tmp_path, text)


# --- queues ---

def test_the_default_queue_is_declared_as_by_celery(tmp_path: Path) -> None:
    queue, = hello(tmp_path, "").description["queues"]
    assert {key: queue[key] for key in (
        "name", "routing_key", "exchange", "exchange_type", "durable", "auto_delete", "exclusive",
        "exchange_durable", "exchange_auto_delete", "no_declare", "bindings", "arguments")} == {
            "name": "celery", "routing_key": "celery", "exchange": "celery",
            "exchange_type": "direct", "durable": True, "auto_delete": False, "exclusive": False,
            "exchange_durable": True, "exchange_auto_delete": False, "no_declare": False,
            "bindings": [], "arguments": None}


def test_queues_come_with_all_their_arguments(tmp_path: Path) -> None:
    queues = hello(tmp_path, """
events = Exchange("events", type="topic", durable=False, auto_delete=True,
                  arguments={"alternate-exchange": "rest"})
app.conf.task_queues = [
    Queue("full", events, "a.#", durable=False, auto_delete=True, expires=60, message_ttl=1.5,
          max_length=10, max_length_bytes=2000, max_priority=5,
          queue_arguments={"x-queue-mode": "lazy", "x-list": [1, {"deep": True}]},
          binding_arguments={"x-match": "any"}, consumer_arguments={"x-priority": 3}),
    Queue("bound", [binding(events, "b.*"),
                    binding(Exchange("plain"), "k", arguments={"n": 1})]),
    Queue("quorum", exchange=Exchange("amq.topic", type="topic"), routing_key="q",
          queue_arguments={"x-queue-type": "quorum"}),
    Queue("mine", exclusive=True), Queue("there", no_declare=True),
    Broadcast("all", queue="all.1"),
]
app.conf.task_queue_max_priority = 7
app.conf.task_default_exchange = "standard"
app.conf.task_default_routing_key = "standard.key"
""").queues
    assert queues["full"] == {
        "name": "full", "routing_key": "a.#", "durable": False, "auto_delete": True,
        "exclusive": False, "no_declare": False,
        "exchange": "events", "exchange_type": "topic", "exchange_durable": False,
        "exchange_auto_delete": True, "exchange_no_declare": False,
        "exchange_arguments": {"alternate-exchange": "rest"},
        "arguments": {"x-queue-mode": "lazy", "x-list": [1, {"deep": True}], "x-expires": 60000,
                      "x-message-ttl": 1500, "x-max-length": 10, "x-max-length-bytes": 2000,
                      "x-max-priority": 5},
        "binding_arguments": {"x-match": "any"}, "consumer_arguments": {"x-priority": 3},
        "bindings": []}
    bound = sorted(queues["bound"]["bindings"], key=lambda one: str(one["exchange"]))
    assert bound == [
        {"exchange": "events", "exchange_type": "topic", "routing_key": "b.*", "arguments": None,
         "exchange_durable": False, "exchange_auto_delete": True, "exchange_no_declare": False,
         "exchange_arguments": {"alternate-exchange": "rest"}},
        {"exchange": "plain", "exchange_type": "direct", "routing_key": "k",
         "arguments": {"n": 1}, "exchange_durable": True, "exchange_auto_delete": False,
         "exchange_no_declare": False, "exchange_arguments": None}]
    assert queues["quorum"]["arguments"]["x-queue-type"] == "quorum"
    assert queues["quorum"]["exchange_no_declare"] is True
    assert (queues["mine"]["exclusive"], queues["mine"]["auto_delete"]) == (True, True)
    assert queues["mine"]["exchange"] == "standard"
    assert queues["mine"]["routing_key"] == "standard.key"
    assert queues["mine"]["arguments"] == {"x-max-priority": 7}
    assert queues["there"]["no_declare"]
    assert queues["all.1"]["auto_delete"] is True
    assert (queues["all.1"]["exchange"], queues["all.1"]["exchange_type"]) == ("all", "fanout")


def test_queues_are_selected_and_excluded(tmp_path: Path) -> None:
    text = "app.conf.task_queues = [Queue(name) for name in 'abc']\napp.conf.worker_direct = {}\n"
    assert list(hello(tmp_path, text.format(False)).queues) == ["a", "b", "c"]
    chosen = hello(tmp_path, text.format(False), "--queues", "c,new").queues
    assert list(chosen) == ["c", "new"] and chosen["new"]["exchange"] == "new"
    assert list(hello(tmp_path, text.format(False), "--exclude-queues", "b,c").queues) == ["a"]
    direct = hello(tmp_path, text.format(True), "--queues", "a").queues
    assert list(direct) == ["a", "celery@test.dq2"]
    assert direct["celery@test.dq2"]["exchange"] == "C.dq2"


# --- results, banner ---

@pytest.mark.parametrize("settings,backend,results", [
    ({}, "disabled://", "disabled://"),
    ({"result_backend": "rpc://"}, "rpc://", "rpc://"),
    ({"result_backend": "rpc://", "broker_write_url": "amqp://w"}, "disabled://", "rpc://"),
    ({"result_backend": "rpc://", "broker_url": "amqp://a;amqp://b;amqp://c;amqp://d",
      "broker_failover_strategy": "shuffle"}, "rpc://", "rpc://"),
    ({"result_backend": "rpc://", "result_serializer": "msgpack"}, "rpc://", "rpc://"),
    ({"result_backend": "rpc://", "result_serializer": "pickle"}, "disabled://", "rpc://"),
    ({"result_backend": "file:///tmp"}, "disabled://", "file:///tmp"),
    ({"result_backend": "redis://:secret@h/1"}, "disabled://", "redis://:**@h/1"),
    ({"result_backend": "proj:Mine"}, "disabled://", "rpc://"),
])
def test_the_backend_is_told(tmp_path: Path, settings: dict[str, Any], backend: str,
                             results: str) -> None:
    runtime = hello(tmp_path, f"""
from celery.backends.rpc import RPCBackend
class Mine(RPCBackend): pass
app.conf.update({settings!r})
""")
    assert runtime.description["backend"] == backend
    assert runtime.description["results"] == results
    assert runtime.description["records"] is True


def test_the_banner_has_app_and_versions(tmp_path: Path) -> None:
    description = hello(tmp_path, "").description
    assert description["runtime"] == "python" and description["app"].startswith("proj:0x")
    assert description["version"].startswith("Celery 5.")
    assert ", Python 3." in description["version"]
