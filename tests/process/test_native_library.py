# SPDX-License-Identifier: BSD-3-Clause
"""Task libraries that load, and what is said about those that do not."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from native_driver import STARTED, WANT_STARTED, Native, compile_library
from support.worker import ROOT, build_folder

RUN = """
    #include <celeriac/task.h>
    static int run(struct celeriac_task *task) { return celeriac_return_int(task, 1); }
"""


def own_tasks(native: Native) -> dict[str, Any]:
    """The tasks of the library, without Celery's."""
    return {name: options for name, options in native.description["tasks"].items()
            if not name.startswith("celery.")}


def start_error(library: str | Path) -> str:
    """What the forkserver says before it leaves with status 1."""
    native = Native(library)
    try:
        frame = native.server.read()
        assert frame and frame[0] == 19, frame
        assert native.server.read() is None
        assert native.wait() == 1
        return str(frame[1])
    finally:
        native.close()


def error_of(tasks: str, folder: Path, *flags: str) -> str:
    """The start error of a library with these definitions."""
    return start_error(compile_library(f"{RUN} CELERIAC_TASKS({tasks})", folder, *flags))


def test_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nothing.so"
    assert start_error(path) == (f"cannot load the task library: {path}: cannot open shared object "
                                 "file: No such file or directory")


def test_file_that_is_no_library_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text.so"
    path.write_text("This is no ELF file.\n" * 100)
    assert start_error(path) == f"cannot load the task library: {path}: invalid ELF header"


def test_missing_symbol_is_named(tmp_path: Path) -> None:
    library = compile_library(
        RUN + "int nowhere(void);\n"
        "static int other(struct celeriac_task *task) { (void)task; return nowhere(); }\n"
        'CELERIAC_TASKS({.name = "a", .run = run}, {.name = "b", .run = other})', tmp_path)
    assert start_error(library) == \
        f"cannot load the task library: {library}: undefined symbol: nowhere"


def test_name_without_a_folder_is_a_file_here(tmp_path: Path,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    library = compile_library(f'{RUN} CELERIAC_TASKS({{.name = "t", .run = run}})', tmp_path)
    monkeypatch.chdir(tmp_path)
    with Native(library.name) as native:
        assert own_tasks(native) == {"t": {}}


def test_threads_that_a_library_starts_too_early_are_warned_of(tmp_path: Path) -> None:
    library = compile_library(RUN + """
        #include <pthread.h>
        #include <unistd.h>
        static void *wait_for_ever(void *nothing)
        {
            for (;;)
                pause();
            return nothing;
        }
        __attribute__((constructor)) static void loaded(void)
        {
            pthread_t thread;
            pthread_create(&thread, 0, wait_for_ever, 0);
        }
        CELERIAC_TASKS({.name = "t", .run = run})""", tmp_path, "-pthread")
    with Native(library) as native:
        native.wait_log("the task library has started 1 threads while it was loaded")
        assert native.spawn().run("t").value == 1


def test_library_without_tasks_is_none(tmp_path: Path) -> None:
    library = compile_library("int answer(void);\nint answer(void) { return 42; }", tmp_path)
    assert start_error(library) == \
        f"{library} is no task library: it does not use CELERIAC_TASKS"


def test_other_abi_names_both_numbers(tmp_path: Path) -> None:
    library = compile_library(
        RUN + "#undef CELERIAC_ABI\n#define CELERIAC_ABI 7\n"
        'CELERIAC_TASKS({.name = "a", .run = run})', tmp_path)
    assert start_error(library) == (
        f"{library} was built for ABI 7 of celeriac/task.h, this worker speaks ABI 1: "
        "build it again with the header of this worker")


def test_newer_header_is_refused(tmp_path: Path) -> None:
    library = compile_library(RUN + """
        struct newer { struct celeriac_task_definition known; int added; };
        static const struct newer definitions[] = {{.known = {.name = "a", .run = run}}};
        const struct celeriac_library celeriac_library = {
            CELERIAC_ABI, sizeof(struct newer), 1, &definitions[0].known};""", tmp_path)
    assert "was built with a newer celeriac/task.h" in start_error(library)


def test_older_header_is_understood(tmp_path: Path) -> None:
    library = compile_library(RUN + """
        struct older { const char *name; int (*run)(struct celeriac_task *); const char *signature; };
        static const struct older definitions[] = {{"b", run, "x"}, {"a", run, 0}};
        const struct celeriac_library celeriac_library = {
            CELERIAC_ABI, sizeof(struct older), 2, (const void *)definitions};""", tmp_path)
    with Native(library) as native:
        assert own_tasks(native) == {"a": {}, "b": {}}
        child = native.spawn()
        assert child.run("a").value == 1
        assert child.run("b").error.startswith("builtins.TypeError: b() missing 1 required")


def test_empty_list_of_tasks_is_refused(tmp_path: Path) -> None:
    library = compile_library(
        "#include <celeriac/task.h>\n"
        "const struct celeriac_library celeriac_library = {CELERIAC_ABI, 1, 0, 0};", tmp_path)
    assert start_error(library) == f"{library} defines no tasks"


def test_two_tasks_of_one_name_are_refused(tmp_path: Path) -> None:
    assert error_of('{.name = "m.a", .run = run}, {.name = "m.b", .run = run}, '
                    '{.name = "m.a", .run = run}', tmp_path) == "two tasks have the name m.a"


@pytest.mark.parametrize("definition, error", [
    ("{.run = run}", "task 1 of the library has no name"),
    ('{.name = "", .run = run}', "task 1 of the library has no name"),
    ('{.name = "a b", .run = run}',
     "the name of task 1 holds a byte that is no printable ASCII"),
    ('{.name = "a\\xff", .run = run}',
     "the name of task 1 holds a byte that is no printable ASCII"),
    ('{.name = "a"}, {.name = "b", .run = run}', "task a has no function to run"),
    ('{.name = "a", .run = run, .acks_late = (enum celeriac_choice)7}',
     "task a: an option is neither CELERIAC_YES nor CELERIAC_NO"),
    ('{.name = "a", .run = run, .time_limit = -1}',
     "task a: a time limit is negative or no number"),
    ('{.name = "a", .run = run, .soft_time_limit = __builtin_nan("")}',
     "task a: a time limit is negative or no number"),
    ('{.name = "a", .run = run, .max_retries = -3}', "task a: max_retries is -3"),
    ('{.name = "a", .run = run, .rate_limit = "5/d"}', "task a: '5/d' is no rate limit"),
    ('{.name = "a", .run = run, .signature = "x: number"}',
     'task a: unknown type at offset 9 of the signature "x: number"'),
])
def test_definition_that_makes_no_sense_is_refused(tmp_path: Path, definition: str,
                                                   error: str) -> None:
    assert error_of(definition, tmp_path) == error


def test_name_longer_than_amqp_takes_is_refused(tmp_path: Path) -> None:
    assert error_of(f'{{.name = "{"n" * 256}", .run = run}}', tmp_path).endswith(
        "... is longer than 255 bytes")


def test_function_with_the_name_of_one_of_ours_stays_the_librarys(tmp_path: Path) -> None:
    library = compile_library("""
        #include <celeriac/task.h>
        int buffer_init(int x);
        int json_decode(int x);
        int buffer_init(int x) { return x + 1; }
        int json_decode(int x) { return x + 2; }
        static int run(struct celeriac_task *task)
        {
            return celeriac_return_int(task, buffer_init(10) * 100 + json_decode(20));
        }
        CELERIAC_TASKS({.name = "t", .run = run})""", tmp_path, "-fno-builtin")
    with Native(library) as native:
        assert native.spawn().run("t").value == 1122


def test_tasks_may_be_written_in_cxx(tmp_path: Path) -> None:
    library = compile_library("""
        #include <celeriac/task.h>
        #include <string>
        static int run(celeriac_task *task)
        {
            const char *name = "";
            if (!celeriac_arg_string(task, "name", &name))
                return CELERIAC_FAILED;
            if (*name == 0)
                return celeriac_fail(task, "ValueError", "nobody");
            return celeriac_return_string(task, ("Hello, " + std::string(name)).c_str());
        }
        CELERIAC_TASKS({.name = "hello", .run = run, .signature = "name: str"})""",
                              tmp_path, "-std=c++20", "-pedantic", compiler="c++")
    with Native(library) as native:
        child = native.spawn()
        assert child.run("hello", "Ada").value == "Hello, Ada"
        assert child.run("hello", "").error == "builtins.ValueError: nobody"


def test_signal_that_a_thread_of_the_task_gets_wakes_the_task_all_the_same(tmp_path: Path) -> None:
    library = compile_library("""
        #define _GNU_SOURCE
        #include <celeriac/task.h>
        #include <errno.h>
        #include <poll.h>
        #include <pthread.h>
        #include <signal.h>
        #include <time.h>
        #include <unistd.h>
        static void *wait_for_ever(void *nothing)
        {
            for (;;)
                pause();
            return nothing;
        }
        static int run(struct celeriac_task *task)
        {
            pthread_t thread;
            sigset_t usr1, before;
            struct timespec long_time = {.tv_sec = 60};
            sigemptyset(&usr1);
            sigaddset(&usr1, SIGUSR1);
            pthread_create(&thread, 0, wait_for_ever, 0);
            /* The kernel prefers the main thread: this leaves the signal to the other one. */
            pthread_sigmask(SIG_BLOCK, &usr1, &before);
            celeriac_log(task, CELERIAC_LOG_INFO, "the other one is ready");
            while (!celeriac_soft_limit_reached(task))
                usleep(1000);
            if (ppoll(0, 0, &long_time, &before) == 0 || errno != EINTR)
                return celeriac_fail(task, "RuntimeError", "nobody has woken the task");
            return celeriac_return_bool(task, true);
        }
        CELERIAC_TASKS({.name = "t", .run = run})""", tmp_path, "-pthread")
    with Native(library) as native:
        child = native.spawn()
        child.send_job("t", flags=WANT_STARTED)
        child.expect(STARTED)
        native.wait_log("the other one is ready")
        child.soft_limit()
        assert child.result().value is True


CMAKE = """
cmake_minimum_required(VERSION 3.25)
project(tasks C)
find_package(celeriac 0.1 REQUIRED)
add_library(tasks MODULE tasks.c)
target_link_libraries(tasks PRIVATE celeriac::task)
"""


def test_installed_package_builds_a_library(tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    for part in ("include", "client", "worker/runtime/native"):
        subprocess.run(["cmake", "--install", str(build_folder() / part), "--prefix", str(prefix)],
                       check=True, capture_output=True)
    assert (prefix / "libexec/celeriac/celeriac-native").exists()
    (tmp_path / "tasks.c").write_text(f'{RUN} CELERIAC_TASKS({{.name = "t", .run = run}})')
    (tmp_path / "CMakeLists.txt").write_text(CMAKE)
    subprocess.run(["cmake", "-G", "Ninja", "-S", str(tmp_path), "-B", str(tmp_path / "b"),
                    f"-DCMAKE_PREFIX_PATH={prefix}"], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", str(tmp_path / "b")], check=True, capture_output=True)
    with Native(tmp_path / "b" / "libtasks.so") as native:
        assert native.spawn().run("t").value == 1


def test_pkg_config_file_finds_the_header(tmp_path: Path) -> None:
    subprocess.run(["cmake", "--install", str(build_folder() / "include"), "--prefix",
                    str(tmp_path)], check=True, capture_output=True)
    pc, = tmp_path.rglob("celeriac.pc")
    flags = subprocess.run(["pkg-config", "--cflags", "--define-prefix", str(pc)], check=True,
                           capture_output=True, text=True).stdout.split()
    assert flags == [f"-I{tmp_path}/include"]
    assert (tmp_path / "include/celeriac/task.h").read_bytes() == \
        (ROOT / "include/celeriac/task.h").read_bytes()
