# SPDX-License-Identifier: BSD-3-Clause
"""The Celery app of test_python_child*.py. CHILD_APP_CONF is a JSON object of settings; handlers of
signals and hooks of tasks write lines into the file CHILD_APP_LOG."""

import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time

from celery import Celery, Task, signals
from celery.exceptions import Ignore, Reject, Terminated
from celery.utils.log import get_task_logger
from celery.worker.request import Request

app = Celery("children")
app.conf.update(json.loads(os.environ["CHILD_APP_CONF"]))
logger = get_task_logger(__name__)
kept = []


def note(*words):
    """A line that the test reads."""
    with open(os.environ["CHILD_APP_LOG"], "a", encoding="utf-8") as log:
        log.write(" ".join(map(str, words)) + "\n")


@signals.worker_process_init.connect
def on_process_init(**_):
    note("process_init", os.getpid())


@signals.worker_process_shutdown.connect
def on_process_shutdown(pid=None, exitcode=None, **_):
    note("process_shutdown", pid, exitcode)


@signals.task_failure.connect
def on_failure_signal(sender=None, task_id=None, exception=None, args=None, **_):
    note("task_failure", sender.name, type(exception).__name__, list(args))


@signals.task_revoked.connect
def on_revoked(sender=None, request=None, terminated=None, signum=None, expired=None, **_):
    note("task_revoked", sender.name, request.id, terminated, signum, expired)


@signals.task_unknown.connect
def on_unknown(**_):
    note("task_unknown")


@app.task
def noop():
    pass


@app.task
def add(x, y):
    return x + y


@app.task(ignore_result=True)
def quiet():
    return "unseen"


@app.task
def echo(value=None):
    return value


@app.task(resultrepr_maxsize=100_000)
def long_text(text, count):
    return text * count


@app.task
def fail(*args):
    raise ValueError(*args)


@app.task(bind=True, max_retries=3)
def again(self, **options):
    try:
        raise KeyError("first")
    except KeyError as error:
        raise self.retry(exc=error, **options)


@app.task
def ignore():
    raise Ignore()


@app.task
def reject(requeue):
    raise Reject("not now", requeue=requeue)


@app.task
def terminate():
    raise Terminated(15)


@app.task
def no_memory():
    raise MemoryError("no more")


@app.task
def unserializable():
    return object()


@app.task(bind=True)
def request(self):
    fields = dict(vars(self.request))
    fields.pop("_protected", None)
    fields["children"] = self.request.children
    return json.loads(json.dumps(fields, default=repr))


@app.task(bind=True)
def header(self, name):
    return ascii(getattr(self.request, name))


@app.task(bind=True, track_started=True)
def started(self):
    return "done"


@app.task(bind=True)
def progress(self):
    self.update_state(state="PROGRESS", meta={"done": 1})
    return "done"


@app.task(bind=True)
def redirect(self, queue):
    self.request.reply_to = queue
    return "redirected"


class Late(Task):
    """Stores once more when it has succeeded."""

    def on_success(self, retval, task_id, args, kwargs):
        self.update_state(state="AFTERWARDS", meta=retval)


@app.task(base=Late)
def late():
    return "done"


class SlowEnd(Task):
    """Takes its time when it has succeeded or failed."""

    def on_success(self, retval, task_id, args, kwargs):
        note("ending")
        time.sleep(float(os.environ.get("CHILD_APP_SLOW", "1")))

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        self.on_success(None, task_id, args, kwargs)


@app.task(base=SlowEnd)
def slow_end(fails=False):
    if fails:
        raise ValueError("fails")
    return "done"


class MyRequest(Request):
    """What Celery's documentation shows."""

    def on_timeout(self, soft, timeout):
        super().on_timeout(soft, timeout)
        note("on_timeout", soft, timeout)

    def on_failure(self, exc_info, send_failed_event=True, return_ok=False):
        super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)
        note("on_failure", type(exc_info.exception).__name__)


class Custom(Task):
    """With a request of its own."""

    Request = "python_child_app:MyRequest"


@app.task(base=Custom, time_limit=7)
def custom():
    pass


@app.task(bind=True, base=Custom, soft_time_limit=1)
def custom_end(self, how):
    if how == "sleep":
        note("sleeping")
        time.sleep(30)
    if how == "retry":
        raise self.retry(countdown=100)
    if how == "terminate":
        raise Terminated(15)
    raise ValueError(how)


class EagerRequest(Request):
    """Is told of everything, and fails at the end."""

    def on_accepted(self, pid, time_accepted):
        super().on_accepted(pid, time_accepted)
        note("on_accepted", self.id, pid, time.monotonic() - time_accepted < 5)

    def on_success(self, failed__retval__runtime, **kwargs):
        super().on_success(failed__retval__runtime, **kwargs)
        note("on_success", failed__retval__runtime[:2])
        raise KeyError("from on_success")


@app.task
def eager(value):
    note("running")
    return value


eager.Request = EagerRequest


@app.task(acks_late=True, reject_on_worker_lost=True, acks_on_failure_or_timeout=False)
def careful():
    pass


@app.task
def errback(request, exc, traceback):
    note("errback", request.id, type(exc).__name__)


@app.task
def speak(text):
    print(text)
    logger.info("logged %s", text)


@app.task
def sleep(seconds):
    end = time.monotonic() + seconds
    note("sleeping")
    while time.monotonic() < end:
        time.sleep(0.01)
    return "slept"


@app.task
def swallow(seconds):
    """Goes on when it is told of its soft limit; how often it was told."""
    told = 0
    end = time.monotonic() + seconds
    note("sleeping")
    while time.monotonic() < end:
        try:
            time.sleep(0.01)
        except Exception:
            told += 1
    return told


@app.task
def process():
    from billiard.process import current_process
    return [current_process().name, current_process().index, os.getpid(), os.getsid(0)]


@app.task
def leave(status):
    sys.exit(status)


class SlowOutput:
    """Takes its time to be flushed."""

    def write(self, text):
        pass

    def flush(self):
        time.sleep(0.3)


@app.task
def leave_slowly(status):
    sys.stdout = SlowOutput()
    sys.exit(status)


@app.task
def interrupt():
    raise KeyboardInterrupt


@app.task
def fork(status=None):
    """The forked process comes back from the task too, or leaves it by an exception."""
    pid = os.fork()
    if pid == 0:
        if status is not None:
            sys.exit(status)
        return None
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@app.task
def program(*argv):
    """The number of a program that goes on."""
    kept.append(subprocess.Popen(argv))
    return kept[-1].pid


@app.task
def wait_program():
    return kept.pop().wait()


@app.task
def close_files():
    os.closerange(3, 200)


@app.task
def make_a_mess(folder):
    os.chdir(folder)
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    thread = threading.Thread(target=time.sleep, args=(1000,))
    thread.start()
    logging.shutdown()
    sys.stdout = sys.stderr = None
    signal.set_wakeup_fd(-1)


@app.task
def pdeathsig():
    value = ctypes.c_int()
    ctypes.CDLL(None).prctl(2, ctypes.byref(value), 0, 0, 0)
    return value.value


@app.task
def children():
    """What a process of its own says; daemons may have none."""
    import multiprocessing
    multiprocessing.Process(target=print).start()
