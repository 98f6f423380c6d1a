# SPDX-License-Identifier: BSD-3-Clause
"""The command line of the forkserver, which celeriac writes."""

import argparse
import logging
import sys


def _level(text):
    """A level of logging, by name or number."""
    level = int(text) if text.isdigit() else logging.getLevelName(text.upper())
    if not isinstance(level, int):
        raise argparse.ArgumentTypeError(f"{text} is no log level")
    return level


_VALUES = (
    # option of ours, type, Celery's option
    ("--loglevel", _level, "--loglevel"),
    ("--hostname", str, "--hostname"),
    ("--logfile", str, "--logfile"),
    ("--concurrency", int, "--concurrency"),
    ("--queues", str, "--queues"),
    ("--exclude-queues", str, "--exclude-queues"),
    ("--include", str, "--include"),
    ("--time-limit", float, "--time-limit"),
    ("--soft-time-limit", float, "--soft-time-limit"),
    ("--max-tasks-per-child", int, "--max-tasks-per-child"),
    ("--max-memory-per-child", int, "--max-memory-per-child"),
    ("--prefetch-multiplier", int, "--prefetch-multiplier"),
)
_FLAGS = ("--no-color", "--no-preload", "--celery-acks", "--task-events", "--quiet", "--purge")
_CELERY_FLAGS = ("--task-events", "--purge")


def parse(argv):
    """The arguments as a namespace; exits with a usage message, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="celeriac", allow_abbrev=False,
        description="The process that runs the tasks of a Celery app; `celeriac worker` starts it, "
                    "with its socket as file descriptor 3.")
    parser.add_argument("--parent", type=int, required=True, metavar="PID")
    parser.add_argument("--app")
    for option, kind, _ in _VALUES:
        parser.add_argument(option, type=kind)
    for option in _FLAGS:
        parser.add_argument(option, action="store_true")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args(argv)
    arguments.loglevel = arguments.loglevel or logging.WARNING
    for option in ("queues", "exclude_queues", "include"):
        setattr(arguments, option, _names(getattr(arguments, option)))
    return arguments


def _names(text):
    """Names separated by commas; None where there are none."""
    return [name.strip() for name in (text or "").split(",") if name.strip()] or None


def pose_as_celery(arguments):
    """Make sys.argv the command line of `celery worker`: apps look there to know where they run."""
    argv = ["celery"]
    if arguments.app:
        argv += ["-A", arguments.app]
    argv.append("worker")
    for option, kind, theirs in _VALUES:
        value = getattr(arguments, option[2:].replace("-", "_"))
        if value is not None:
            argv.append(f"{theirs}={_text(kind, value)}")
    argv += [flag for flag in _CELERY_FLAGS if getattr(arguments, flag[2:].replace("-", "_"))]
    sys.argv = argv


def _text(kind, value):
    if kind is _level:
        return logging.getLevelName(value)
    return ",".join(value) if isinstance(value, list) else value
