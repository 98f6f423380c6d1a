# SPDX-License-Identifier: BSD-3-Clause
"""Finding the app, as `celery -A` does, and saying well why there is none."""

import os

from celeriac.blame import raised_by_user, user_traceback
from celeriac.failure import LoadError, interpreter

CELERY_OLDEST, CELERY_TOO_NEW = (5, 2), (6,)
SAFER_DEFAULTS = ("task_acks_late", "task_reject_on_worker_lost")


def check_celery():
    """Raise LoadError if there is no Celery that celeriac can work with."""
    try:
        import celery
    except ImportError as error:
        raise LoadError(f"{interpreter()} cannot import celery: {error}. Name the one that runs "
                        "your app with --python") from None
    version = tuple(celery.VERSION[:2])
    if not CELERY_OLDEST <= version < CELERY_TOO_NEW:
        raise LoadError(f"celeriac works with Celery 5.2 up to the newest 5.x, and "
                        f"{interpreter()} has Celery {celery.__version__}")


def set_safer_defaults():
    """Change what holds where neither the task nor the app says anything: a message is
    acknowledged when its task has ended, and returned when its process died."""
    from celery.app import defaults
    for name in SAFER_DEFAULTS:
        defaults.DEFAULTS[name] = True
        defaults._OLD_DEFAULTS[defaults._TO_OLD_KEY[name]] = True


def find(name):
    """The app of that name; without one, the app that Celery makes of its configuration module."""
    from celery import Celery
    if not name:
        from celery._state import get_current_app
        return get_current_app()
    found = _unwrap(_import(name))
    if not isinstance(found, Celery) and callable(found):
        found = _unwrap(_call(name, found))
    if not isinstance(found, Celery):
        raise LoadError(f"-A {name} leads to {_kind(found)}, not to a Celery app")
    return found


def _import(name):
    from celery.app.utils import find_app
    try:
        return find_app(name)
    except (Exception, SystemExit) as error:
        raise _explain(name, _cause(name, error)) from None


def _cause(name, error):
    """What went wrong first, where find_app went on and failed again, or did not tell."""
    if isinstance(error, ModuleNotFoundError) and error.name == name and ":" in name:
        return error.__context__ or error
    if isinstance(error, AttributeError) and not raised_by_user(error):
        return _hidden_error(name) or error
    return error


def _explain(name, error):
    if isinstance(error, ModuleNotFoundError) and _is_missing(name, error):
        return LoadError(f"there is no module named {error.name} (-A {name}): {os.getcwd()} does "
                         f"not have it, nor has the path of {interpreter()}")
    if isinstance(error, AttributeError) and not raised_by_user(error):
        return LoadError(f"no Celery app was found by -A {name}: {error}")
    return _failed(name, error)


def _hidden_error(name):
    """The ImportError in NAME.celery, which find_app takes for the absence of that module."""
    from celery.utils.imports import import_from_cwd
    if ":" in name:
        return None
    try:
        import_from_cwd(f"{name}.celery")
    except ImportError as error:
        return error if raised_by_user(error) else None
    except Exception:
        return None
    return None


def _call(name, factory):
    """A function that makes the app, as module:function."""
    if ":" not in name or isinstance(factory, type):
        return factory
    try:
        return factory()
    except (Exception, SystemExit) as error:
        raise _failed(name, error) from None


def _unwrap(found):
    from celery.local import Proxy
    return found._get_current_object() if type(found) is Proxy else found


def _kind(found):
    kind = type(found).__name__
    if kind == "module":
        return f"the module {found.__name__}"
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _failed(name, error):
    return LoadError(f"the Celery app {name} cannot be loaded:\n{user_traceback(error)}")


def _is_missing(name, error):
    module = name.partition(":")[0]
    named = error.name and (module == error.name or module.startswith(error.name + ".")
                            or error.name == f"{module}.celery")
    return bool(named) and not raised_by_user(error)

