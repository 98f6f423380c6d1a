# SPDX-License-Identifier: BSD-3-Clause
"""Where the interpreter comes in. Must be read by every Python 3, so that the wrong one gets a
sentence: no newer syntax here, nor in failure.py."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON_OLDEST = (3, 8)


def _load_package():
    """Make us importable as `celeriac`, and our files by no shorter name: an app has a `worker.py`
    and a `settings.py` of its own."""
    import importlib.util
    if sys.path and os.path.abspath(sys.path[0]) == HERE:
        del sys.path[0]
    if "celeriac" in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        "celeriac", os.path.join(HERE, "__init__.py"), submodule_search_locations=[HERE])
    package = importlib.util.module_from_spec(spec)
    sys.modules["celeriac"] = package
    spec.loader.exec_module(package)


def main():
    """Start the forkserver; its exit status."""
    _load_package()
    from celeriac import failure
    if sys.version_info < PYTHON_OLDEST:
        failure.report("celeriac needs Python 3.8 or newer, and " + failure.interpreter()
                       + " is older: name another one with --python")
        return 1
    from celeriac import start
    return start.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
