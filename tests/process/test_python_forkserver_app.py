# SPDX-License-Identifier: BSD-3-Clause
"""Finding the app, and saying why there is none."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from python_driver import PACKAGE, PYTHON, Python, start_failing, write_files

fakes = pytest.mark.skipif(PYTHON != "/usr/bin/python3",
                           reason="another interpreter may set the path itself")

APP = """
    from celery import Celery
    {name} = Celery("{main}", broker="amqp://")

    @{name}.task(name="{main}.add")
    def add(x, y):
        return x + y
"""


def app_text(name: str = "app", main: str = "proj") -> str:
    """A module with an app of that name."""
    return APP.format(name=name, main=main)


def tasks(name: str, folder: Path, *options: str,
          environment: dict[str, str | None] | None = None) -> list[str]:
    """The app's own tasks."""
    with Python(name, folder, *options, environment=environment) as runtime:
        return [name for name in runtime.description["tasks"] if not name.startswith("celery.")]


# --- ways of naming an app ---

@pytest.mark.parametrize("named", ["module", "module:application", "module:make", "module.other",
                                   "package", "package.celery", "package.celery:app",
                                   "package.sub:app", "attribute", "anything"])
def test_finds_the_app_by(tmp_path: Path, named: str) -> None:
    write_files(
        tmp_path, {"package/__init__": "", "package/celery": app_text("app", "package"),
                   "package/sub": app_text("app", "sub")},
        module=app_text("app", "module") + APP.format(name="application", main="application")
        + APP.format(name="other", main="other") + """
    def make():
        made = Celery("made", broker="amqp://")
        made.task(add, name="made.add")
        return made
""",
        attribute=app_text("celery", "attribute"), anything=app_text("whatever", "anything"))
    found = {"module": "module.add", "module:application": "application.add",
             "module:make": "made.add", "module.other": "other.add", "package": "package.add",
             "package.celery": "package.add", "package.celery:app": "package.add",
             "package.sub:app": "sub.add", "attribute": "attribute.add",
             "anything": "anything.add"}
    assert found[named] in tasks(named, tmp_path)


def test_no_name_is_the_configuration_modules_app(tmp_path: Path) -> None:
    write_files(tmp_path, celeryconfig="broker_url = 'amqp://'; imports = ['jobs']", jobs="""
        from celery import shared_task
        @shared_task
        def work():
            pass
    """)
    with Python("", tmp_path, environment={"CELERY_CONFIG_MODULE": "celeryconfig"}) as runtime:
        assert "jobs.work" in runtime.description["tasks"]


def test_modules_of_the_app_may_be_called_as_ours(tmp_path: Path) -> None:
    write_files(tmp_path, start=app_text("app", "start") + "    import settings, wire, worker\n",
                settings="broker_url = 'amqp://'", wire="", worker="")
    assert tasks("start", tmp_path) == ["start.add"]


def test_the_working_folder_comes_before_the_path(tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_files(tmp_path, proj=app_text(main="here"))
    write_files(other, proj=app_text(main="elsewhere"))
    assert tasks("proj", tmp_path, environment={"PYTHONPATH": str(other)}) == ["here.add"]


def test_is_a_package_of_the_interpreter_too(tmp_path: Path) -> None:
    write_files(tmp_path, proj=app_text())
    program = (PYTHON, "-m", "celeriac")
    path = {"PYTHONPATH": str(PACKAGE.parent)}
    with Python("proj", tmp_path, program=program, environment=path) as runtime:
        assert "proj.add" in runtime.description["tasks"]


def test_includes_are_imported(tmp_path: Path) -> None:
    write_files(tmp_path, proj=app_text(), more="""
        from proj import app
        @app.task
        def extra():
            pass
    """)
    assert sorted(tasks("proj", tmp_path, "--include", "more")) == ["more.extra", "proj.add"]


def test_apps_see_the_command_line_of_celery(tmp_path: Path) -> None:
    write_files(tmp_path, proj=app_text() + "    import sys; print('argv', sys.argv)\n")
    with Python("proj", tmp_path, "--queues", "a,b", "--purge", "--concurrency", "3") as runtime:
        assert ("argv ['celery', '-A', 'proj', 'worker', '--loglevel=INFO', "
                "'--hostname=celery@test', '--concurrency=3', '--queues=a,b', '--purge']"
                ) in runtime.read_log()


@pytest.mark.parametrize("greenlets, stack", [(False, "_FastLocalStack"), (True, "_LocalStack")])
def test_celery_takes_fast_locals_where_there_are_no_greenlets(
        tmp_path: Path, greenlets: bool, stack: str) -> None:
    if greenlets:
        write_files(tmp_path, gevent="")
    write_files(tmp_path, proj=app_text() + """
    import os
    from celery.utils.threads import LocalStack
    app.task(add, name=f"{LocalStack.__name__}.{os.environ.get('USE_FAST_LOCALS')}")
""")
    assert f"{stack}.None" in tasks("proj", tmp_path,
                                    environment={"PYTHONPATH": str(tmp_path)})


def test_a_django_project_is_set_up(tmp_path: Path) -> None:
    if importlib.util.find_spec("django") is None:
        pytest.skip("Django is not installed")
    write_files(tmp_path, {
        "project/__init__": "", "project/settings": """
            SECRET_KEY = "x"
            CELERY_TIMEZONE = "Europe/Berlin"
            INSTALLED_APPS = ["shop"]
            CELERY_BROKER_URL = "amqp://django"
            CELERY_TASK_ACKS_LATE = False
        """,
        "project/celery": """
            import os
            from celery import Celery
            os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
            app = Celery("project")
            app.config_from_object("django.conf:settings", namespace="CELERY")
            app.autodiscover_tasks()
        """,
        "shop/__init__": "", "shop/models": "", "shop/tasks": """
            from celery import shared_task
            from django.apps import apps
            apps.check_models_ready()
            @shared_task
            def sell():
                pass
        """})
    with Python("project", tmp_path) as runtime:
        assert "shop.tasks.sell" in runtime.description["tasks"]
        assert runtime.settings["broker_url"].startswith("amqp://guest:guest@django:5672/")
        assert runtime.settings["task_acks_late"] is False
        assert runtime.settings["timezone"] == "Europe/Berlin"


# --- errors ---

def test_a_missing_module_is_named(tmp_path: Path) -> None:
    text = start_failing("nosuch.thing", tmp_path)
    assert text.startswith("there is no module named nosuch (-A nosuch.thing)")
    assert str(tmp_path) in text and "has the path of the interpreter /" in text


def test_a_missing_attribute_is_named(tmp_path: Path) -> None:
    write_files(tmp_path, {"package/__init__": ""}, proj="")
    assert start_failing("proj:nosuch", tmp_path) == \
        "no Celery app was found by -A proj:nosuch: module 'proj' has no attribute 'nosuch'"
    for name in ("proj", "package"):
        assert f"no Celery app was found by -A {name}: module '{name}' has no attribute 'celery'" \
            == start_failing(name, tmp_path)


@pytest.mark.parametrize("name,what", [("proj:number", "an int"), ("proj:make", "a str"),
                                       ("proj:path", "the module posixpath")])
def test_what_is_no_app_is_named(tmp_path: Path, name: str, what: str) -> None:
    write_files(tmp_path, proj="from os import path\nnumber = 3\ndef make(): return 'x'")
    assert start_failing(name, tmp_path) == f"-A {name} leads to {what}, not to a Celery app"


@pytest.mark.parametrize("statement,last", [
    ("import nosuch", "ModuleNotFoundError: No module named 'nosuch'"),
    ("from os import nosuch", "ImportError: cannot import name 'nosuch' from 'os'"),
    ("None.nosuch", "AttributeError: 'NoneType' object has no attribute 'nosuch'"),
    ("1 / 0", "ZeroDivisionError: division by zero"),
    ("raise SystemExit('enough')", "SystemExit: enough"),
    ("x = = 1", "SyntaxError: invalid syntax"),
])
@pytest.mark.parametrize("name", ["broken", "package", "package.celery:app"])
def test_an_error_of_the_app_comes_with_its_traceback(tmp_path: Path, statement: str, last: str,
                                                      name: str) -> None:
    helper = f"def fail():\n    {statement}\nfail()\n"
    write_files(tmp_path, {"package/__init__": "", "package/celery": "import helper"},
                broken="import helper", helper=helper)
    text = start_failing(name, tmp_path)
    assert text.startswith(f"the Celery app {name} cannot be loaded:\nTraceback (most recent")
    assert f'File "{tmp_path}/helper.py", line 2' in text
    assert text.splitlines()[-1].startswith(last)
    assert "/celeriac/" not in text.replace(str(tmp_path), "")
    assert "find_app" not in text or statement.startswith("x = =")


def test_the_working_folder_is_searched_last(tmp_path: Path) -> None:
    """While the app is imported, first."""
    other = tmp_path / "other"
    write_files(tmp_path, proj=app_text() + """
    import sys, where
    print(where.NAME, sys.path.index(%r), file=sys.__stderr__)
    from celery.signals import worker_ready
    @worker_ready.connect
    def ready(**kwargs):
        print(sys.path[-1], file=sys.__stderr__)
""" % str(tmp_path), where="NAME = 'ours'")
    write_files(tmp_path, {"other/where": "NAME = 'theirs'"})
    with Python("proj", tmp_path, environment={"PYTHONPATH": str(other)}) as runtime:
        runtime.signal("worker_ready")
        runtime.wait_log(f"{tmp_path}\n")
        assert "ours 0\n" in runtime.read_log()


def test_an_error_of_a_task_module_comes_with_its_traceback(tmp_path: Path) -> None:
    write_files(tmp_path, proj=app_text() + "    app.conf.imports = ['jobs']\n", jobs="1 / 0")
    text = start_failing("proj", tmp_path)
    assert f'File "{tmp_path}/jobs.py", line 1' in text
    assert text.endswith("ZeroDivisionError: division by zero")


def test_settings_of_two_ages_are_an_error_without_a_traceback(tmp_path: Path) -> None:
    write_files(tmp_path, proj=app_text() + """
    app.conf.update(task_acks_late=True, CELERY_TASK_SERIALIZER="json", CELERYD_CONCURRENCY=1)
""")
    text = start_failing("proj", tmp_path)
    assert "rename" in text and "Traceback" not in text


def test_an_unknown_queue_is_an_error(tmp_path: Path) -> None:
    write_files(tmp_path, proj=app_text() + "    app.conf.task_create_missing_queues = False\n")
    text = start_failing("proj", tmp_path, "--queues", "nosuch")
    assert text.startswith("the Celery app cannot be run: ") and "'nosuch'" in text
    assert "Traceback" not in text


def test_a_backend_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    write_files(tmp_path, proj=app_text() + "    app.conf.result_backend = 'nosuch://'\n")
    assert "nosuch" in start_failing("proj", tmp_path)


@pytest.mark.parametrize("url", ["redis://h/0", "sqs://", "memory://", "sqla+sqlite:///x",
                                 "amqp://h;redis://h"])
def test_a_broker_that_is_not_amqp_is_refused(tmp_path: Path, url: str) -> None:
    write_files(tmp_path, proj=app_text() + f"    app.conf.broker_url = '{url}'\n")
    assert start_failing("proj", tmp_path).startswith("celeriac speaks AMQP only")


@fakes
@pytest.mark.parametrize("version", [(5, 1, 9), (6, 0, 0)])
def test_other_celeries_are_refused(tmp_path: Path, version: tuple[int, ...]) -> None:
    number = ".".join(map(str, version))
    fake = f"VERSION = {version}\n__version__ = '{number}'"
    write_files(tmp_path, {"celery/__init__": fake})
    text = start_failing("proj", tmp_path, environment={"PYTHONPATH": str(tmp_path)})
    assert text.startswith("celeriac works with Celery 5.2 up to the newest 5.x")
    assert text.endswith(f"has Celery {number}")


@fakes
@pytest.mark.parametrize("module", ["celery", "msgpack"])
def test_a_missing_package_is_named_with_the_interpreter(tmp_path: Path, module: str) -> None:
    write_files(tmp_path, proj=app_text(), **{module: "raise ImportError('not here')"})
    text = start_failing("proj", tmp_path, environment={"PYTHONPATH": str(tmp_path)})
    assert text.startswith(f"the interpreter {PYTHON} (Python ")
    assert f"cannot import {module}: not here" in text


def test_a_death_of_the_isolated_import_is_told(tmp_path: Path) -> None:
    write_files(tmp_path, proj="import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert start_failing("proj", tmp_path, "--no-preload") == \
        "the process that imported the app died: SIGSEGV"
    write_files(tmp_path, proj="1 / 0")
    assert start_failing("proj", tmp_path, "--no-preload").endswith("division by zero")
