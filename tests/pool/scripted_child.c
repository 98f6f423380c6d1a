/* SPDX-License-Identifier: BSD-3-Clause */
/* A scripted child: does what the bodies of its jobs say. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "codec/claims.h"
#include "tests/pool/scripted.h"

/* Signal handlers have no other way to know. */
static pid_t main_pid;
static volatile sig_atomic_t soft_limit_of = -1, soft_limits;

struct child {
    int fd;
    struct frame_reader reader;
    struct buffer output;
    struct claims *claims; /* NULL: none */
    uint32_t frames;
    uint64_t job;
    uint32_t flags;
    struct text body;
    const struct script *script;
    const struct scripted_family *family;
};

static void on_soft_limit(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    soft_limit_of = info->si_value.sival_int;
    soft_limits++;
}

/* Only the forkserver may be gone: then the main process is the parent, and life goes on. */
static void on_orphaned(int signal)
{
    (void)signal;
    if (getppid() != main_pid)
        _exit(0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void answer(struct child *child, uint32_t flags, uint64_t rss, struct text document)
{
    static const char report[] = "\x81\xa5state\xa7SUCCESS";
    struct frame_result result = {
        child->job, flags, rss, {report, sizeof(report) - 1}, document.size};
    buffer_clear(&child->output, 65536);
    if (frame_write_result(&child->output, &result) == 0 &&
        buffer_append(&child->output, document.data, document.size) == 0)
        scripted_send(child->fd, &child->output, -1);
}

static void answer_string(struct child *child, const char *string)
{
    answer(child, 0, child->script->rss, (struct text){string, strlen(string)});
}

static void rest(double seconds)
{
    struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

static void do_ok(struct child *child, const char *argument)
{
    (void)argument;
    answer(child, 0, child->script->rss, child->body);
}

static void do_sleep(struct child *child, const char *argument)
{
    rest(strtod(argument, NULL));
    answer(child, 0, child->script->rss, child->body);
}

/* Is at work for so many microseconds of its own time. */
static void do_spin(struct child *child, const char *argument)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    double end = (double)now.tv_sec + (double)now.tv_nsec / 1e9 + strtod(argument, NULL) / 1e6;
    while ((double)now.tv_sec + (double)now.tv_nsec / 1e9 < end)
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    answer(child, 0, child->script->rss, child->body);
}

static void do_exit(struct child *child, const char *argument)
{
    (void)child;
    _exit((int)strtol(argument, NULL, 10));
}

static void do_raise(struct child *child, const char *argument)
{
    (void)child;
    int number = (int)strtol(argument, NULL, 10);
    signal(number, SIG_DFL);
    raise(number);
    pause();
}

/* Makes FILE.begun, and answers once FILE exists. */
static void do_until(struct child *child, const char *argument)
{
    char begun[160];
    snprintf(begun, sizeof(begun), "%s.begun", argument);
    close(open(begun, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    while (access(argument, F_OK) != 0)
        rest(0.001);
    answer(child, 0, child->script->rss, child->body);
}

static void do_hang(struct child *child, const char *argument)
{
    (void)child, (void)argument;
    for (;;)
        rest(1000);
}

/* Waits for this job's soft time limit. */
static void do_soft(struct child *child, const char *argument)
{
    (void)argument;
    while (soft_limit_of != (int)(child->job & INT32_MAX))
        usleep(1000);
    answer_string(child, "soft");
}

/* How many soft limits have come so far. */
static void do_limits(struct child *child, const char *argument)
{
    char text[32];
    (void)argument;
    snprintf(text, sizeof(text), "%d", (int)soft_limits);
    answer_string(child, text);
}

static void do_garbage(struct child *child, const char *argument)
{
    (void)argument;
    if (write(child->fd, "\0\0\0\4junk", 8) < 0)
        _exit(71);
    rest(1000);
}

static void do_flood(struct child *child, const char *argument)
{
    (void)argument;
    static char zeros[65536];
    while (write(child->fd, zeros, sizeof(zeros)) >= 0)
        continue;
    _exit(72);
}

static void do_huge(struct child *child, const char *argument)
{
    (void)argument;
    if (write(child->fd, "\xff\xff\xff\xff", 4) < 0)
        _exit(71);
    rest(1000);
}

static void do_partial(struct child *child, const char *argument)
{
    (void)argument;
    if (write(child->fd, "\0\0\1\0\x96\x22", 6) < 0)
        _exit(71);
    _exit(0);
}

static void do_result_then_die(struct child *child, const char *argument)
{
    (void)argument;
    do_ok(child, "");
    kill(getpid(), SIGKILL);
}

static void do_result_then_hang(struct child *child, const char *argument)
{
    (void)argument;
    do_ok(child, "");
    rest(1000);
}

static void do_two_results(struct child *child, const char *argument)
{
    do_ok(child, argument);
    do_ok(child, argument);
}

static void do_wrong_job(struct child *child, const char *argument)
{
    child->job += 1000;
    do_ok(child, argument);
}

static void do_ready_again(struct child *child, const char *argument)
{
    (void)argument;
    SEND(child->fd, frame_write_ready(&send_buffer, 1));
    rest(1000);
}

static void do_spawn_frame(struct child *child, const char *argument)
{
    (void)argument;
    SEND(child->fd, frame_write_spawn(&send_buffer, 1, 1));
    rest(1000);
}

static void do_error(struct child *child, const char *argument)
{
    SEND(child->fd, frame_write_error(&send_buffer, argument));
    _exit(1);
}

static void do_retire(struct child *child, const char *argument)
{
    (void)argument;
    answer(child, FRAME_RESULT_RETIRING, child->script->rss, child->body);
    _exit(0);
}

static void do_rss(struct child *child, const char *argument)
{
    answer(child, 0, strtoul(argument, NULL, 10), child->body);
}

static void do_close(struct child *child, const char *argument)
{
    (void)argument;
    close(child->fd);
    rest(1000);
}

/* Leaves behind a process that holds the socket, in a session of its own, and dies. */
static void do_holder(struct child *child, const char *argument)
{
    (void)child;
    if (fork() == 0) {
        setsid();
        rest(strtod(argument, NULL));
        _exit(0);
    }
    _exit(5);
}

/* Tells the pid of a process in its group, and dies. */
static void do_grandchild(struct child *child, const char *argument)
{
    pid_t pid = fork();
    if (pid < 0)
        scripted_die("fork");
    if (pid == 0) {
        rest(strtod(argument, NULL));
        _exit(0);
    }
    char text[32];
    snprintf(text, sizeof(text), "%d", (int)pid);
    answer_string(child, text);
    kill(getpid(), SIGKILL);
}

static void do_pid(struct child *child, const char *argument)
{
    char text[32];
    (void)argument;
    snprintf(text, sizeof(text), "%d", (int)getpid());
    answer_string(child, text);
}

/* The open descriptors, but for the one that lists them. */
static void do_descriptors(struct child *child, const char *argument)
{
    (void)argument;
    char text[512] = "";
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        scripted_die("opendir");
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.' && strtol(entry->d_name, NULL, 10) != dirfd(folder)) {
            size_t used = strlen(text);
            snprintf(text + used, sizeof(text) - used, "%s ", entry->d_name);
        }
    closedir(folder);
    answer_string(child, text);
}

static void publish(struct child *child, struct text body)
{
    static const char message[] = "\x81\xa5queue\xa1q";
    buffer_clear(&child->output, 65536);
    if (frame_write_publish(&child->output, child->job,
                            (struct bytes){message, sizeof(message) - 1}, body.size) == 0 &&
        buffer_append(&child->output, body.data, body.size) == 0)
        scripted_send(child->fd, &child->output, -1);
}

/* One of each kind. */
static void do_follow(struct child *child, const char *argument)
{
    (void)argument;
    publish(child, (struct text){"one", 3});
    SEND(child->fd, frame_write_store(&send_buffer, child->job, (struct text){"two", 3},
                                      (struct text){"STARTED", 7}, 0));
    SEND(child->fd, frame_write_chord(&send_buffer, child->job, (struct text){"three", 5}, 2, 0));
    do_ok(child, "");
}

/* So many messages of 64 KiB. */
static void do_messages(struct child *child, const char *argument)
{
    static char body[65536];
    for (long left = strtol(argument, NULL, 10); left > 0; left--)
        publish(child, (struct text){body, sizeof(body)});
    do_ok(child, "");
}

static void do_message_then_die(struct child *child, const char *argument)
{
    (void)argument;
    publish(child, (struct text){"one", 3});
    kill(getpid(), SIGKILL);
}

static void do_message_of_another(struct child *child, const char *argument)
{
    (void)argument;
    child->job += 1000;
    publish(child, (struct text){"one", 3});
    rest(1000);
}

static void do_message_too_late(struct child *child, const char *argument)
{
    do_ok(child, argument);
    publish(child, (struct text){"one", 3});
    rest(1000);
}

static void do_inherited(struct child *child, const char *argument)
{
    (void)argument;
    answer_string(child, child->family->inherited_signals);
}

static const struct command {
    const char *name;
    void (*run)(struct child *child, const char *argument);
} commands[] = {
    {"ok", do_ok},
    {"sleep", do_sleep},
    {"spin", do_spin},
    {"exit", do_exit},
    {"raise", do_raise},
    {"hang", do_hang},
    {"until", do_until},
    {"soft", do_soft},
    {"limits", do_limits},
    {"garbage", do_garbage},
    {"flood", do_flood},
    {"huge", do_huge},
    {"partial", do_partial},
    {"result-then-die", do_result_then_die},
    {"result-then-hang", do_result_then_hang},
    {"two-results", do_two_results},
    {"wrong-job", do_wrong_job},
    {"ready-again", do_ready_again},
    {"spawn-frame", do_spawn_frame},
    {"error", do_error},
    {"retire", do_retire},
    {"rss", do_rss},
    {"close", do_close},
    {"grandchild", do_grandchild},
    {"holder", do_holder},
    {"pid", do_pid},
    {"descriptors", do_descriptors},
    {"inherited", do_inherited},
    {"follow", do_follow},
    {"messages", do_messages},
    {"message-then-die", do_message_then_die},
    {"message-of-another", do_message_of_another},
    {"message-too-late", do_message_too_late},
};

static void write_journal(const struct child *child)
{
    const char *journal = child->script->journal;
    if (journal == NULL)
        return;
    int fd = open(journal, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, &child->job, sizeof(child->job)) != sizeof(child->job))
        scripted_die("journal");
    close(fd);
}

/* As a runtime without compare-and-exchange claims. */
static bool set_bit(struct claims *claims, uint32_t frame)
{
    return atomic_fetch_or_explicit(&claims->words[frame % CLAIMS_WORDS], CLAIMS_BEGUN,
                                    memory_order_acq_rel) == CLAIMS_STAGED;
}

/* Has the main process take the job back, and then asks for it. */
static _Noreturn void ask_too_late(struct child *child, uint32_t frame)
{
    const _Atomic uint32_t *word = &child->claims->words[frame % CLAIMS_WORDS];
    shutdown(child->fd, SHUT_WR);
    while (atomic_load(word) == CLAIMS_STAGED)
        continue;
    if (set_bit(child->claims, frame))
        scripted_die("claim");
    for (;;)
        rest(1000);
}

/* False: the job was taken back. "unclaimed" does not ask, "no-claim" dies before it does, and
 * "late-claim" asks too late. */
static bool claim(struct child *child, const char *command)
{
    uint32_t frame = child->frames++;
    if (child->claims == NULL || strcmp(command, "unclaimed") == 0)
        return true;
    if (strcmp(command, "no-claim") == 0)
        _exit(3);
    if (strcmp(command, "late-claim") == 0)
        ask_too_late(child, frame);
    return child->script->sets_bit ? set_bit(child->claims, frame)
                                   : claims_begin(child->claims, frame);
}

/* "no-start ..." is handled before STARTED: the child behaves so instead of starting. */
static void run_job(struct child *child, const struct frame *frame)
{
    child->job = frame_uint(frame, 1);
    child->flags = (uint32_t)frame_uint(frame, 2);
    child->body = frame_text(frame, 4);
    char line[128];
    snprintf(line, sizeof(line), "%.*s", (int)child->body.size, child->body.data);
    char *argument = line + strcspn(line, " ");
    if (*argument != '\0')
        *argument++ = '\0';
    if (!claim(child, line))
        return;
    write_journal(child);
    if (strcmp(line, "no-start") == 0) {
        if (argument[0] == 'd')
            _exit(3);
        if (argument[0] == 'j')
            do_garbage(child, "");
        if (argument[0] == 'm')
            publish(child, (struct text){"one", 3});
        rest(1000);
    }
    if ((child->flags & FRAME_JOB_WANT_STARTED) != 0)
        SEND(child->fd, frame_write_started(&send_buffer, child->job));
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(line, commands[i].name) == 0) {
            commands[i].run(child, argument);
            return;
        }
    do_ok(child, "");
}

static void prepare_child(void)
{
    struct sigaction soft = {.sa_sigaction = on_soft_limit, .sa_flags = SA_SIGINFO};
    struct sigaction orphaned = {.sa_handler = on_orphaned, .sa_flags = SA_RESTART};
    sigset_t none;
    setsid();
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigaction(SIGUSR1, &soft, NULL);
    sigaction(SIGRTMIN, &orphaned, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGRTMIN);
}

static struct claims *map_claims(int fd)
{
    if (fd < 0)
        return NULL;
    void *page = mmap(NULL, CLAIMS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        scripted_die("mmap");
    close(fd);
    return page;
}

_Noreturn void scripted_child(const int *descriptors, const struct script *script,
                              const struct scripted_family *family)
{
    int fd = descriptors[0], none[2];
    struct child child = {
        .fd = fd, .claims = map_claims(descriptors[1]), .script = script, .family = family};
    main_pid = family->main_process;
    buffer_init(&child.output, FRAME_MAX);
    prepare_child();
    if (getppid() != family->forkserver && getppid() != main_pid)
        _exit(0);
    if (family->number <= script->mute)
        do_hang(&child, "");
    if (family->number <= script->unready) {
        if (script->excuse != NULL)
            SEND(fd, frame_write_error(&send_buffer, script->excuse));
        _exit(9);
    }
    if (!frame_reader_init(&child.reader))
        scripted_die("reader");
    SEND(fd, frame_write_ready(&send_buffer, script->rss));
    for (;;) {
        struct frame frame;
        int rc = frame_reader_next(&child.reader, &frame, NULL);
        if (rc < 0)
            _exit(73);
        if (rc == 1 && frame.type == FRAME_JOB)
            run_job(&child, &frame);
        else if ((rc == 1 && frame.type == FRAME_LEAVE) ||
                 (rc == 0 && !scripted_receive(fd, &child.reader, none))) {
            while (script->stay)
                rest(1000);
            _exit(0);
        }
    }
}
