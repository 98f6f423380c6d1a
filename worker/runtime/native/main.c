/* SPDX-License-Identifier: BSD-3-Clause */
/* celeriac-native: the native runtime's forkserver. Started by the main process, never by hand.
 * Owns the command line and the order of the start. */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/log/log.h"
#include "worker/runtime/native/deaf.h"
#include "worker/runtime/native/forkserver.h"
#include "worker/runtime/native/library.h"
#include "worker/runtime/native/orphan.h"
#include "worker/runtime/native/title.h"

enum { EXIT_USAGE = 2 };

static int usage(void)
{
    fputs("Usage: celeriac-native --parent PID [--loglevel LEVEL] LIBRARY\n"
          "The process that runs the tasks of a C library; `celeriac worker` starts it, with its\n"
          "socket as file descriptor 3.\n",
          stderr);
    return EXIT_USAGE;
}

static bool read_pid(const char *text, pid_t *ret)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || number <= 0 || number > INT32_MAX)
        return false;
    *ret = (pid_t)number;
    return true;
}

/* 0, or the exit status. */
static int read_options(int argc, char **argv, struct forkserver_config *config)
{
    static const struct option options[] = {
        {"parent", required_argument, NULL, 'p'},
        {"loglevel", required_argument, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'p' && !read_pid(optarg, &config->main_process))
            return usage();
        if (option == 'l')
            config->log_level = (enum log_level)log_level_by_name(optarg);
        if (option == '?' || config->log_level == 0)
            return usage();
    }
    return config->main_process == 0 || optind != argc - 1 ? usage() : 0;
}

/* Signals that are blocked or ignored come over exec. */
static void set_signals(void)
{
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            signal(number, SIG_DFL);
    }
    deaf_become();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A fork copies one thread only, and the locks of all of them as they are. */
static void warn_of_threads(void)
{
    struct stat tasks;
    if (stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 3)
        log_warning("the task library has started %lu threads while it was loaded: no process of "
                    "the pool will have them",
                    (unsigned long)tasks.st_nlink - 3);
}

int main(int argc, char **argv)
{
    struct forkserver_config config = {.log_level = LOG_WARNING, .title = title_of(argc, argv)};
    int status = read_options(argc, argv, &config);
    if (status != 0)
        return status;
    log_init("ForkServer", config.log_level);
    if (fcntl(FORKSERVER_FD, F_SETFD, FD_CLOEXEC) != 0)
        return usage();
    set_signals();
    /* Fails where the main process has made us a session already. */
    setsid();
    if (!orphan_die_with(config.main_process))
        return EXIT_FAILURE;
    struct library library;
    char error[LIBRARY_ERROR_SIZE];
    if (!library_open(argv[optind], &library, error)) {
        forkserver_complain(error);
        return EXIT_FAILURE;
    }
    warn_of_threads();
    config.library = &library;
    status = forkserver_run(&config);
    library_done(&library);
    return status;
}
