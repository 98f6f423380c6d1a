# SPDX-License-Identifier: BSD-3-Clause
"""Prints what came back of tasks, the same in every run: ids become labels, dates are masked."""

import json
import re

SECONDS = 20
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:\+\d\d:\d\d|Z)?")


class Report:
    """What the tasks of one run have left.

    With whole, tracebacks are printed to their first line, not only their last.
    """

    def __init__(self, app, whole=False):
        self._backend = app.backend
        # An rpc result reaches only the process that has sent the task.
        self.everywhere = hasattr(app.backend, "get_key_for_task")
        self._whole = whole
        self._labels = {}
        self._messages = []

    def line(self, text):
        """Print a line without anything that differs from run to run."""
        text = ID.sub(lambda match: self._label(match.group()), text)
        print(DATE.sub("<date>", text), flush=True)

    def show(self, title, result):
        """Wait for a result and print everything that is known of it."""
        result.get(timeout=SECONDS, propagate=False, on_message=self._keep)
        self.line(f"{title}: {result.state} {result.result!r}")
        if result.traceback:
            self.line(f"  traceback {self._cut(result.traceback)}")
        for child in result.children or ():
            self.line(f"  child {child.id} {[one.id for one in getattr(child, 'results', ())]}")
        for document in self._documents(result.id):
            self.line(f"  document {document}")

    def show_steps(self, title, last):
        """A chain, from its first result to its last; a group in it is shown one by one."""
        steps = [last]
        while steps[0].parent is not None:
            steps.insert(0, steps[0].parent)
        for number, step in enumerate(steps, 1):
            for result in getattr(step, "results", [step]):
                self.show(f"{title}, step {number}", result)

    def progress(self, result):
        """The PROGRESS states that came by for a task of which show has told the end."""
        seen = {json.dumps(message["result"]) for message in map(json.loads, self._messages)
                if (message["task_id"], message["status"]) == (result.id, "PROGRESS")}
        self.line(f"  progress {', '.join(sorted(seen))}")

    def _label(self, task_id):
        return self._labels.setdefault(task_id, f"<id {len(self._labels) + 1}>")

    def _keep(self, message):
        """As text at once, since Celery makes exceptions of it later on."""
        self._messages.append(json.dumps(message, default=repr))

    def _documents(self, task_id):
        """What the worker has stored: the text in Redis; with rpc each message, in its order."""
        if self.everywhere:
            stored = self._backend.get(self._backend.get_key_for_task(task_id))
            texts = [stored.decode() if isinstance(stored, bytes) else str(stored)]
        else:
            texts = [text for text in self._messages if json.loads(text)["task_id"] == task_id]
        return [self._shortened(text) for text in texts]

    def _shortened(self, text):
        document = json.loads(text)
        if document.get("traceback"):
            document["traceback"] = self._cut(document["traceback"])
        return json.dumps(document)

    def _cut(self, traceback):
        return traceback if self._whole else traceback.strip().splitlines()[-1]
