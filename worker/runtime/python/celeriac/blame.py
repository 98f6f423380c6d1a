# SPDX-License-Identifier: BSD-3-Clause
"""Telling the user's own errors from those that only pass through Celery, and showing them."""

import importlib
import os
import traceback


def raised_by_user(error):
    """True if the traceback goes through a file that is none of Python's importing, Celery's or
    ours."""
    return _first_outside(error, _known_folders()) is not None


def user_traceback(error):
    """The traceback of error as Python prints it, from the first file of the user's on. What was
    tried before, and did not fail in such a file or failed in the same way, is left out."""
    later, earlier = error, _before(error)
    while earlier is not None:
        if not raised_by_user(earlier) or repr(earlier) == repr(later):
            later.__cause__ = later.__context__ = None
            break
        later, earlier = earlier, _before(earlier)
    trace = _first_outside(error, _known_folders()) or _first_outside(error, (_OURS,))
    return "".join(traceback.format_exception(type(error), error, trace)).rstrip("\n")


def _before(error):
    return error.__cause__ or error.__context__


def _first_outside(error, folders):
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(folders):
        trace = trace.tb_next
    return trace


def _known_folders():
    import celery
    import kombu
    return ("<frozen importlib", _OURS) + tuple(
        _folder(module.__file__) for module in (celery, kombu, importlib))


def _folder(file):
    return os.path.dirname(os.path.abspath(file)) + os.sep


_OURS = _folder(__file__)
