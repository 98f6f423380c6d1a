# SPDX-License-Identifier: BSD-3-Clause
"""What forkserver and children know: the app, its worker, and who else there is."""

import contextlib
import gc
import importlib
import os
import sys

from celeriac import child
from celeriac.blame import user_traceback
from celeriac.failure import LoadError


class Runtime:
    """The app, once load() has been called, and what came with the command line."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.hostname = arguments.hostname
        self.loglevel = arguments.loglevel
        self.main_pid = arguments.parent
        self.server_pid = os.getpid()
        self.ahead = child.claims_supported()
        self.app = None
        self.worker = None
        self.records_rpc = False
        self.stream = None  # a child's

    def load(self):
        """Import the app and bring its worker to the point where Celery would make its pool.
        LoadError if that fails."""
        with _explained():
            self._load()

    def describe(self):
        """HELLO's description of the loaded app, after warnings of what celeriac does not do.
        LoadError if there is something that it cannot do without."""
        from celeriac import describe, unsupported
        with _explained():
            unsupported.warn(self.worker, self.arguments.setting)
            return describe.describe(self)

    def _load(self):
        from celeriac import apps, arguments, backend, broker, settings, worker
        arguments.pose_as_celery(self.arguments)
        if not self.arguments.celery_acks:
            apps.set_safer_defaults()
        backend.keep_trying()
        app = apps.find(self.arguments.app)
        settings.apply(app, self.arguments.setting)
        broker.check(app)
        self.worker = worker.create(app, self.arguments)
        self.app = app
        self.hostname = self.worker.hostname
        self.records_rpc = backend.leaves_results_to_us(app)
        backend.tell_passing_errors()
        importlib.import_module("celeriac.run")  # what every child needs, imported once
        _keep_folder()

    def freeze(self):
        """Keep the collector off what every child will share."""
        gc.collect()
        gc.freeze()


def _keep_folder():
    """Tasks find modules in the working folder, as those of `python -m celery` do. Behind all else:
    with the `celery` program it would not be there."""
    folder = os.getcwd()
    if folder not in sys.path and "" not in sys.path:
        sys.path.append(folder)


@contextlib.contextmanager
def _explained():
    try:
        yield
    except LoadError:
        raise
    except (Exception, SystemExit) as error:
        raise LoadError(_explain(error)) from None


def _explain(error):
    from celery.exceptions import ImproperlyConfigured, SecurityError
    if isinstance(error, (ImproperlyConfigured, SecurityError)) and error.args:
        return f"the Celery app cannot be run: {error}"
    return f"the Celery app cannot be run:\n{user_traceback(error)}"
