/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/consumer/statedb.h"

struct fixture {
    uv_loop_t loop;
    struct revoked ids, stamps;
    char folder[64], path[96], error[STATEDB_ERROR_SIZE];
    bool closed;
};

static void start(struct fixture *fixture)
{
    *fixture = (struct fixture){.folder = "/tmp/statedb-XXXXXX"};
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof(fixture->path), "%s/state", fixture->folder);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    revoked_init(&fixture->ids, 1000, 0);
    revoked_init(&fixture->stamps, 1000, 0);
}

static void finish(struct fixture *fixture)
{
    char path[128];
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    revoked_done(&fixture->ids);
    revoked_done(&fixture->stamps);
    unlink(fixture->path);
    snprintf(path, sizeof(path), "%s.damaged", fixture->path);
    unlink(path);
    snprintf(path, sizeof(path), "%s.new", fixture->path);
    assert_int_not_equal(unlink(path), 0); /* none is left behind */
    rmdir(fixture->folder);
}

static void on_closed(void *context)
{
    ((struct fixture *)context)->closed = true;
}

static struct statedb *open_file(struct fixture *fixture)
{
    return statedb_open(&fixture->loop, fixture->path, &fixture->ids, &fixture->stamps,
                        fixture->error);
}

static void close_file(struct fixture *fixture, struct statedb *statedb)
{
    fixture->closed = false;
    statedb_close(statedb, on_closed, fixture);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_true(fixture->closed);
}

static void write_file(const struct fixture *fixture, const char *text)
{
    FILE *file = fopen(fixture->path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static struct text key(const char *name)
{
    return (struct text){name, strlen(name)};
}

static void what_was_revoked_is_there_after_a_restart(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture);
    struct statedb *statedb = open_file(&fixture);
    assert_non_null(statedb);
    assert_true(revoked_add(&fixture.ids, key("one"), 1));
    assert_true(revoked_add(&fixture.ids, key("two"), 2));
    assert_true(revoked_add(&fixture.stamps, key("stamp"), 3));
    statedb_changed(statedb);
    close_file(&fixture, statedb);
    revoked_done(&fixture.ids);
    revoked_done(&fixture.stamps);
    statedb = open_file(&fixture);
    assert_non_null(statedb);
    assert_int_equal(fixture.ids.count, 2);
    assert_true(revoked_has(&fixture.ids, key("one")));
    assert_int_equal(fixture.ids.newest->since, 2);
    assert_true(revoked_has(&fixture.stamps, key("stamp")));
    close_file(&fixture, statedb);
    finish(&fixture);
}

static void a_change_is_written_by_itself(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture);
    struct statedb *statedb = open_file(&fixture);
    assert_non_null(statedb);
    assert_true(revoked_add(&fixture.ids, key("one"), 1));
    statedb_changed(statedb);
    uv_run(&fixture.loop, UV_RUN_DEFAULT); /* until timer and write are over */
    struct stat status;
    assert_int_equal(stat(fixture.path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    close_file(&fixture, statedb);
    finish(&fixture);
}

static void nothing_is_written_without_a_change(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture);
    struct statedb *statedb = open_file(&fixture);
    assert_non_null(statedb);
    close_file(&fixture, statedb);
    assert_int_not_equal(access(fixture.path, F_OK), 0);
    finish(&fixture);
}

static void somebody_elses_file_is_left_alone(void **state)
{
    (void)state;
    struct fixture fixture;
    struct stat status;
    start(&fixture);
    write_file(&fixture, "a shelve of Python's");
    assert_null(open_file(&fixture));
    assert_non_null(strstr(fixture.error, "Celery's cannot be read here"));
    assert_int_equal(stat(fixture.path, &status), 0);
    assert_int_equal(status.st_size, 20);
    finish(&fixture);
}

static void a_damaged_file_is_moved_aside(void **state)
{
    (void)state;
    struct fixture fixture;
    char aside[128];
    start(&fixture);
    write_file(&fixture, "celeriac state 1\n0000000000000000\nxyz");
    struct statedb *statedb = open_file(&fixture);
    assert_non_null(statedb);
    snprintf(aside, sizeof(aside), "%s.damaged", fixture.path);
    assert_int_equal(access(aside, F_OK), 0);
    assert_int_not_equal(access(fixture.path, F_OK), 0);
    close_file(&fixture, statedb);
    finish(&fixture);
}

static void an_empty_file_is_as_good_as_none(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture);
    write_file(&fixture, "");
    struct statedb *statedb = open_file(&fixture);
    assert_non_null(statedb);
    close_file(&fixture, statedb);
    finish(&fixture);
}

static void a_write_that_fails_does_not_hold_up_the_end(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture);
    struct statedb *statedb = open_file(&fixture);
    assert_non_null(statedb);
    rmdir(fixture.folder);
    statedb_changed(statedb);
    close_file(&fixture, statedb);
    finish(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_revoked_is_there_after_a_restart),
        cmocka_unit_test(a_change_is_written_by_itself),
        cmocka_unit_test(nothing_is_written_without_a_change),
        cmocka_unit_test(somebody_elses_file_is_left_alone),
        cmocka_unit_test(a_damaged_file_is_moved_aside),
        cmocka_unit_test(an_empty_file_is_as_good_as_none),
        cmocka_unit_test(a_write_that_fails_does_not_hold_up_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
