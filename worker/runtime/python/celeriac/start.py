# SPDX-License-Identifier: BSD-3-Clause
"""The order of the start: be out of reach, load the app, say HELLO, serve."""

import contextlib
import importlib
import importlib.util
import os
import socket
import sys

from celeriac import arguments, failure, system
from celeriac.failure import LoadError

FAST_LOCALS = "USE_FAST_LOCALS"
GREENLETS = ("gevent", "eventlet")


def main(argv):
    """The forkserver's life; its exit status."""
    options = arguments.parse(argv)
    try:
        sock = socket.socket(fileno=failure.CHANNEL)
    except OSError as error:
        sys.stderr.write(f"celeriac: descriptor {failure.CHANNEL} is no socket ({error}): "
                         "`celeriac worker` starts this program\n")
        return 2
    os.set_inheritable(failure.CHANNEL, False)
    system.be_own_session()
    system.be_deaf()
    if not system.die_with(options.parent):
        return 1
    try:
        return _serve(options, sock)
    except LoadError as error:
        failure.report(str(error))
        return 1


def _serve(options, sock):
    from celeriac import apps
    with _fast_locals():
        apps.check_celery()
    _check_msgpack()
    from celeriac import forkserver, wire
    from celeriac.runtime import Runtime
    runtime = Runtime(options)
    channel = wire.Channel(sock)
    description, signals = (_isolate if options.no_preload else _preload)(runtime)
    system.be_deaf()
    server = forkserver.Forkserver(runtime, channel, signals)
    system.flush_output()
    channel.send(wire.HELLO, wire.PROTOCOL, description)
    runtime.freeze()
    return server.serve()


@contextlib.contextmanager
def _fast_locals():
    """Have Celery keep its stack of requests in plain thread locals, which it offers by this name and
    which takes a tenth of the time. Not where greenlets may be about, which it does not tell apart.
    Celery looks when it is first imported; the programs that tasks start are not to see it."""
    wanted = FAST_LOCALS not in os.environ and not any(map(importlib.util.find_spec, GREENLETS))
    if wanted:
        os.environ[FAST_LOCALS] = "1"
    try:
        yield
        importlib.import_module("celery.utils.threads")
    finally:
        if wanted:
            del os.environ[FAST_LOCALS]


def _check_msgpack():
    try:
        import msgpack  # noqa: F401
    except ImportError as error:
        raise LoadError(f"{failure.interpreter()} cannot import msgpack: {error}. celeriac needs "
                        "the package msgpack (python3-msgpack in Debian)") from None


def _preload(runtime):
    runtime.load()
    from celeriac import unsupported
    from celeriac.signals import Signals
    unsupported.warn_of_threads()
    return runtime.describe(), Signals(runtime.worker)


def _isolate(runtime):
    from celeriac import isolated
    return isolated.describe(runtime)
