# SPDX-License-Identifier: BSD-3-Clause
"""libceleriac-client as its users have it: installed, found by pkg-config, linked by a plain C or C++ compiler."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Callable

import pytest

from support.redis import Redis
from support.worker import ROOT, SANITIZER_REPORT, BaseWorker, build_folder

EXPECTED = ["0 + 0 = 0", "1 + 1 = 2", "2 + 2 = 4", "FAILURE: ValueError: bad thing"]


def run(*argv: str | Path, env: dict[str, str] | None = None) -> str:
    """Run a program to its end, which must be a good one; what it printed."""
    done = subprocess.run([*map(str, argv)], text=True, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=60, check=False,
                          env={**os.environ, **(env or {})})
    assert done.returncode == 0 and not SANITIZER_REPORT.search(done.stderr), done
    return done.stdout


@pytest.mark.parametrize("backend", ["rpc", "redis"])
def test_example(worker: Callable[..., BaseWorker], broker_url: str, redis: Redis,
                 backend: str) -> None:
    url = "rpc://" if backend == "rpc" else redis.url
    worker(backend=url)
    program = build_folder() / "examples" / "example_client"
    assert run(program, broker_url, url).splitlines() == EXPECTED


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everything was installed."""
    prefix = tmp_path_factory.mktemp("installed")
    run("cmake", "--install", build_folder(), "--prefix", prefix)
    return prefix


@pytest.mark.parametrize("compiler, language, standard", [("cc", "c", "c11"),
                                                          ("c++", "c++", "c++20")])
def test_installed_library_links(installed: Path, tmp_path: Path, compiler: str, language: str,
                                 standard: str) -> None:
    """The address sanitizer of a test build must come first in the program."""
    source, program = tmp_path / "program", tmp_path / "linked"
    source.write_text('#include <celeriac/client.h>\n#include <celeriac/task.h>\n#include <stdio.h>\n'
                      "int main(void)\n{\n"
                      "    puts(celeriac_client_strerror(CELERIAC_CLIENT_ETIMEOUT));\n"
                      "    return 0;\n}\n")
    found = next(installed.rglob("celeriac-client.pc"))
    where = {"PKG_CONFIG_PATH": str(found.parent)}
    library = found.parent.parent
    flags = [f"--define-variable=prefix={installed}", "celeriac-client"]
    cflags = run("pkg-config", "--cflags", *flags, env=where).split()
    libs = run("pkg-config", "--libs", *flags, env=where).split()
    sanitize = ["-fsanitize=address,undefined"] if "san" in build_folder().name else []
    run(compiler, f"-std={standard}", "-Wall", "-Wextra", "-Werror", *sanitize, *cflags, "-x",
        language, source, "-x", "none", f"-L{library}", *libs, f"-Wl,-rpath,{library}", "-o", program)
    assert run(program) == "not in time\n"


def test_nothing_but_the_header_is_exported() -> None:
    symbols = run("nm", "-D", "--defined-only", build_folder() / "libceleriac-client.so")
    names = {line.split()[-1] for line in symbols.splitlines()}
    header = (ROOT / "include" / "celeriac" / "client.h").read_text()
    assert names and all(name.startswith(("celeriac_client_", "celeriac_result_"))
                         and f"{name}(" in header for name in names)
