# SPDX-License-Identifier: BSD-3-Clause
"""The command line with a Celery app: `celery` becomes `celeriac`, and what can go wrong at that."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from celery import Celery

from interop.broker import Replies
from interop.test_cli import LINE, celeriac, is_usage_error
from support.amqp import Client
from support.process import wait_until
from support.rabbitmq import RabbitMQ
from support.worker import BaseWorker, Worker, build_folder

FOLDER = Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"
APP = "cli_app"
ENV = {"PATH": f"/usr/bin:{os.environ['PATH']}", "PYTHONPATH": str(FOLDER),
       "PYTHONDONTWRITEBYTECODE": "1", "VIRTUAL_ENV": ""}
LOAD_ERROR = LINE % ("CRITICAL", "The tasks cannot be loaded: ")


@pytest.fixture
def app(worker: Callable[..., Worker]) -> Iterator[Callable[..., Worker]]:
    """Start celeriac with an app of tests/interop: app("-Q", "a", env={...}). -c only if named."""
    def start(*args: str, env: dict[str, str] | None = None, name: str = APP,
              ready: bool = True, **options: Any) -> Worker:
        one = worker(*args, app=name, env={**ENV, **(env or {})}, ready=False, **options)
        return ready_worker(one) if ready else one
    yield start


def ready_worker(one: Worker) -> Worker:
    """The same, ready."""
    one.wait_log(r" ready\.$", 30)
    return one


@pytest.fixture
def call(client: Celery) -> Callable[..., Any]:
    """Send a task of the app and wait for its result."""
    def send(task: str, *args: object, queue: str = "first", name: str = APP) -> Any:
        return client.send_task(f"{name}.{task}", args, queue=queue).get(timeout=15)
    return send


def broken(*args: str | Path, env: dict[str, str] | None = None) -> str:
    """What celeriac says of an app that it cannot run: at once, once, with status 2."""
    began = time.monotonic()
    done = celeriac(*args, "worker", env={**ENV, **(env or {})})
    assert done.returncode == 2, done.stdout
    assert len(re.findall(LOAD_ERROR, done.stdout, re.MULTILINE)) == 1, done.stdout
    assert "[config]" not in done.stdout
    assert time.monotonic() - began < 10
    return done.stdout


# ---- an app ----

def test_app_decides_what_is_not_named(app: Callable[..., Worker], call: Callable[..., Any],
                                       amqp: Client, replies: Replies) -> None:
    running = app(concurrency=0)
    running.wait_log(r"^\.> app:         cli_app:0x[0-9a-f]+ \(python, Celery \d[\d.]+, "
                     r"Python \d[\d.]+\)$")
    running.wait_log(r"^\.> results:     rpc://")
    running.wait_log(r"^\.> concurrency: 3 \(prefork\)$")
    running.wait_log(r"^\.> second           exchange=first\(direct\) key=first$")
    text = running.read_log()
    assert "  . cli_app.add\n" in text and "celery.chord" not in text
    assert call("add", 2, 3) == 5
    task = amqp.send_task("cli_app.add", (2, 3), "second", reply_to=replies.queue)
    assert replies.result(task) == 5
    amqp.declare("second", arguments={"x-max-priority": 3})  # fails if anything differs


def test_options_win_over_the_app(app: Callable[..., Worker], amqp: Client) -> None:
    running = app("-Q", "second,third", "-X", "third", "-l", "DEBUG", concurrency=1)
    running.wait_log(r"^\.> concurrency: 1 \(prefork\)$")
    running.wait_log(r"^  \. celery\.chord$")
    assert amqp.counts("second")[1] == 1
    assert ".> first" not in running.read_log() and ".> third" not in running.read_log()


def test_settings_reach_the_app(app: Callable[..., Worker], tmp_path: Path, amqp: Client) -> None:
    config = tmp_path / "celery.ini"
    config.write_text("[celery]\ntask_default_queue = file\ntask_default_priority = 7\n")
    running = app("--config", str(config), "--set", "task_queues=None", "task.default_exchange=ex",
                  "colour=blue")
    assert amqp.counts("file")[1] == 1
    running.wait_log(r"^\.> file +exchange=ex\(direct\)")
    running.wait_log(LINE % ("WARNING", "colour is not a setting of Celery"))
    assert "task_default_priority" not in running.read_log()


def test_broker_and_backend_of_the_options_are_the_apps(
        app: Callable[..., Worker], call: Callable[..., Any], broker_url: str) -> None:
    """What a task sends goes to the broker of -b, whatever the environment says."""
    app(env={"CELERY_BROKER_URL": "amqp://nobody@127.0.0.1:1//",
             "CELERY_RESULT_BACKEND": "disabled://"})
    assert call("about")["broker"] == broker_url
    call("ask", "first")


def test_config_module_of_an_app_without_a_name(worker: Callable[..., Worker], amqp: Client,
                                                replies: Replies, tmp_path: Path,
                                                broker_url: str) -> None:
    """Like celery, without -A: the default app, with --config's module."""
    (tmp_path / "mysettings.py").write_text('imports = ["mytasks"]\ntask_default_queue = "mine"\n')
    (tmp_path / "mytasks.py").write_text(
        "from celery import shared_task\n\n\n@shared_task\ndef double(n):\n    return 2 * n\n")
    process = subprocess.Popen(
        [str(build_folder() / "celeriac"), "-b", broker_url, "--result-backend", "rpc://",
         "--config", "mysettings", "--workdir", str(tmp_path), "worker", "-c", "1"],
        env={**os.environ, **ENV}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        amqp.declare_task_queue("mine")
        task = amqp.send_task("mytasks.double", (4,), "mine", reply_to=replies.queue)
        assert replies.result(task) == 8
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_app_of_the_environment(broker_url: str) -> None:
    text = broken("-b", broker_url, env={"CELERY_APP": "no_such_app"})
    assert "no_such_app" in text


def test_pool_of_the_app_is_refused_but_for_p_prefork(app: Callable[..., Worker],
                                                      call: Callable[..., Any]) -> None:
    env = {"CLI_APP_SETTINGS": "worker_pool=gevent"}
    done = celeriac("-A", APP, "worker", env={**ENV, **env})
    assert done.returncode == 2, done.stdout
    assert re.search(LINE % ("CRITICAL", "worker_pool is 'gevent', .*-P prefork"), done.stdout,
                     re.MULTILINE), done.stdout
    running = app("-P", "prefork", env=env)
    assert call("add", 2, 3) == 5
    assert "worker_pool" not in running.read_log()


def test_misspelt_setting_is_named(app: Callable[..., Worker]) -> None:
    running = app("--set", "task_acks_lat=1")
    running.wait_log(LINE % ("WARNING", "task_acks_lat is not a setting of Celery .*"
                             "do you mean task_acks_late"))


def test_import_in_the_children_may_take_its_time(app: Callable[..., Worker],
                                                  call: Callable[..., Any]) -> None:
    """Longer than a child's start may take otherwise."""
    running = app("--no-preload", "--set", "worker_proc_alive_timeout=1", concurrency=1,
                  env={"CLI_APP_IMPORT": "2"})
    assert call("add", 2, 3) == 5
    assert "was not ready" not in running.read_log()


def test_module_of_the_working_folder_is_found_late(app: Callable[..., Worker], tmp_path: Path,
                                                    call: Callable[..., Any]) -> None:
    (tmp_path / "found_late.py").write_text("NAME = 'found'\n")
    app("--workdir", str(tmp_path))
    assert call("late") == "found"


def test_task_that_ends_its_process_is_told_with_its_status(app: Callable[..., Worker],
                                                            client: Celery) -> None:
    running = app("-c", "1")
    for _ in range(10):
        client.send_task("cli_app.leave", (3,), queue="first")
    running.wait_log(r"(?s)(exited with 'exitcode 3'.*){10}", 30)
    assert "SIGKILL" not in running.read_log()


def test_global_options_reach_the_app(app: Callable[..., Worker], call: Callable[..., Any],
                                      tmp_path: Path) -> None:
    app("--workdir", str(tmp_path), "--skip-checks", "--loader", "celery.loaders.default:Loader")
    about = call("about")
    assert about["folder"] == str(tmp_path)
    assert about["skip"] == "true"


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes somebody else")
def test_user_and_mask(app: Callable[..., Worker], call: Callable[..., Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        log = Path(folder) / "log"
        running = app("--uid", "65534", "--gid", "65534", "--umask", "077", "-f", str(log),
                      ready=False)
        about = call("about")
        assert (about["uid"], about["umask"]) == (65534, 0o077)
        assert 0 not in about["groups"]
        assert (log.stat().st_uid, log.stat().st_mode & 0o777) == (65534, 0o600)
        assert running.stop() == 0


@pytest.mark.parametrize("option, held", [("--celery-acks", 0), ("--purge", 1)])
def test_acks_are_celerys_if_asked_for(app: Callable[..., Worker], client: Celery,
                                       rabbitmq: RabbitMQ, vhost: str, tmp_path: Path,
                                       option: str, held: int) -> None:
    """Early, before the task has ended: nothing is held while it runs."""
    running = app(option)
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    client.send_task("cli_app.wait", (str(gate),), queue="first")
    with open(gate, "w", encoding="utf-8"):  # waits for the task
        text = rabbitmq.ctl("list_queues", "-q", "-p", vhost, "name", "messages_unacknowledged")
        assert re.search(rf"^first\s+{held}$", text, re.MULTILINE), text
    assert running.stop() == 0


# ---- what goes wrong ----

def test_app_that_is_not_there(broker_url: str) -> None:
    text = broken("-A", "no.such", "-b", broker_url)
    assert "there is no module named no" in text


def test_import_error_is_the_users_own(tmp_path: Path, broker_url: str) -> None:
    (tmp_path / "wrong.py").write_text("import celery\n\nimport nothing_of_that_name\n")
    text = broken("-A", "wrong", "-b", broker_url, "--workdir", tmp_path)
    assert f'File "{tmp_path}/wrong.py", line 3' in text
    assert text.rstrip().endswith(
        "ModuleNotFoundError: No module named 'nothing_of_that_name'")


def test_long_traceback_is_whole(tmp_path: Path, broker_url: str) -> None:
    (tmp_path / "deep.py").write_text("def dig(n):\n" + "    if n % 2: return dig(n - 1)\n"
                                      "    return dig(n - 1) if n else 1 / 0\n\n\n"
                                      + "".join(f"def f{i}():\n    f{i + 1}()\n\n\n"
                                                for i in range(100))
                                      + "def f100():\n    1 / 0\n\n\nf0()\n")
    text = broken("-A", "deep", "-b", broker_url, "--workdir", tmp_path)
    assert text.count('File "') > 100
    assert text.rstrip().endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize("python, words", [
    ("/no/such/python", "No such file or directory"),
    ("/tmp", "Permission denied"),
])
def test_interpreter_that_cannot_be_executed(python: str, words: str) -> None:
    done = celeriac("-A", APP, "--python", python, "worker", env=ENV)
    assert is_usage_error(done, python, words, "--python")


def test_program_that_is_no_interpreter(broker_url: str) -> None:
    broken("-A", APP, "-b", broker_url, "--python", "/bin/true")


def test_environment_without_celery(tmp_path: Path, broker_url: str) -> None:
    """The interpreter of the virtual environment is taken, and named when it lacks Celery."""
    bare = tmp_path / "bin" / "python"
    bare.parent.mkdir()
    bare.write_text(f'#!/bin/sh\nexec {PYTHON} -S "$@"\n')
    bare.chmod(0o755)
    text = broken("-A", APP, "-b", broker_url, env={"VIRTUAL_ENV": str(tmp_path)})
    assert "cannot import celery" in text and "--python" in text


def test_environment_without_msgpack(tmp_path: Path, broker_url: str) -> None:
    (tmp_path / "msgpack.py").write_text("raise ImportError('No module named msgpack')\n")
    text = broken("-A", APP, "-b", broker_url,
                  env={"PYTHONPATH": f"{tmp_path}:{FOLDER}"})
    assert "cannot import msgpack" in text and "python3-msgpack" in text


@pytest.mark.parametrize("setting, words", [
    ("broker_url=redis://localhost", "AMQP"),
    ("broker_heartbeat=often", "often"),
    ("worker_concurrency=many", "worker_concurrency"),
])
def test_setting_of_the_app_that_cannot_be(setting: str, words: str, broker_url: str) -> None:
    url = [] if setting.startswith("broker_url") else ["-b", broker_url]
    done = celeriac("-A", APP, *url, "worker", env={**ENV, "CLI_APP_SETTINGS": setting})
    assert done.returncode == 2, done.stdout
    assert words in done.stdout and "[config]" not in done.stdout


# ---- log ----

def test_lines_have_the_apps_format(app: Callable[..., Worker], call: Callable[..., Any]) -> None:
    running = app(env={"CLI_APP_SETTINGS": "worker_log_format=%(levelname)-8s|%(processName)s| "
                                           "%(message)s"})
    running.wait_log(r"^INFO    \|MainProcess\| celery@\S+ ready\.$")
    call("say", "x")
    running.wait_log(r"^WARNING \|ForkPoolWorker-\d\| logged x$")
    running.wait_log(r"^INFO    \|MainProcess\| Task cli_app\.say\[\S+\] received$")


def test_format_that_cannot_be_filled(app: Callable[..., Worker]) -> None:
    running = app(env={"CLI_APP_SETTINGS": "worker_log_format=%(lineno)d %(message)s"})
    running.wait_log(LINE % ("WARNING", r"worker_log_format .*lineno"))
    running.wait_log(LINE % ("INFO", r"celery@\S+ ready\."))


def test_log_file_holds_everybodys_lines(app: Callable[..., Worker], call: Callable[..., Any],
                                         tmp_path: Path) -> None:
    log = tmp_path / "w1.log"
    running = app("-n", "w1@%h", "-f", str(tmp_path / "%n.log"), "-q", ready=False)
    wait_until(lambda: log.exists() and "ready." in log.read_text(), 20, "ready line")
    call("say", "before")
    log.rename(tmp_path / "w1.log.1")
    time.sleep(1.1)  # the file is looked for once a second
    call("say", "after")
    wait_until(lambda: log.exists() and "received" in log.read_text(), 10, "line of the main process")
    wait_until(lambda: "logged after" in log.read_text(), 10, "line of the child")
    assert "printed after" in log.read_text()
    old = (tmp_path / "w1.log.1").read_text()
    assert "logged before" in old and "printed before" in old and "after" not in old
    assert running.stop() == 0
    assert "before" not in running.read_log() and "ready." not in running.read_log()


def read_terminal(fd: int, until: str, seconds: float) -> str:
    """What comes out of a terminal until a text is there."""
    text, deadline = "", time.monotonic() + seconds
    os.set_blocking(fd, False)
    while until not in text and time.monotonic() < deadline:
        try:
            text += os.read(fd, 4096).decode(errors="replace")
        except BlockingIOError:
            time.sleep(0.02)
    return text


@pytest.mark.parametrize("option, colour", [("--quiet", True), ("--no-color", False)])
def test_colours_on_a_terminal(broker_url: str, option: str, colour: bool) -> None:
    main, other = pty.openpty()
    process = subprocess.Popen(
        [str(build_folder() / "celeriac"), "-A", APP, "-b", broker_url, option, "worker", "-c",
         "1", "-l", "INFO", "-E"], env={**os.environ, **ENV}, stdin=subprocess.DEVNULL,
        stdout=other, stderr=other)
    try:
        text = read_terminal(main, " ready.", 20)
    finally:
        process.terminate()
        process.wait(10)
        os.close(main)
        os.close(other)
    assert ("\033[1;33m[" in text) == colour, text
    assert "--task-events has no effect" in text


# ---- the end ----

@pytest.mark.parametrize("number, status, words", [
    (signal.SIGTERM, 0, "SIGTERM Warm 0"), (signal.SIGINT, 1, "SIGINT Warm 1"),
    (signal.SIGQUIT, 0, "SIGQUIT Cold 1")])
def test_app_is_told_of_the_end(app: Callable[..., Worker], tmp_path: Path, number: int,
                                status: int, words: str) -> None:
    told = tmp_path / "told"
    running = app("-n", "me@here", env={"CLI_APP_FILE": str(told)})
    running.signal(number)
    assert running.wait(10) == status
    assert ("Hitting Ctrl+C again" in running.read_log()) == (number == signal.SIGINT)
    assert told.read_text() == f"me@here {words}\n"


# ---- an installation ----

def test_installed_worker_runs_an_app(tmp_path: Path, broker_url: str, client: Celery) -> None:
    prefix = tmp_path / "prefix"
    subprocess.run(["cmake", "--install", str(build_folder()), "--prefix", str(prefix)],
                   check=True, stdout=subprocess.DEVNULL, timeout=60)
    package = prefix / "libexec" / "celeriac" / "python" / "celeriac"
    assert (package / "__main__.py").is_file() and not package.is_symlink()
    assert not list(package.rglob("*.pyc"))
    running = BaseWorker([str(prefix / "bin" / "celeriac"), "-A", APP, "-b", broker_url,
                          "--result-backend", "rpc://", "worker", "-c", "1", "-l", "INFO"], ENV)
    with running:
        assert client.send_task("cli_app.add", (2, 3), queue="first").get(timeout=15) == 5
        assert any(str(package) in Path(f"/proc/{pid}/cmdline").read_text()
                   for pid in running.tree())
        assert running.stop() == 0, running.read_log()
