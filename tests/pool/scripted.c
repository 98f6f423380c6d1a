/* SPDX-License-Identifier: BSD-3-Clause */
/* A forkserver and its children for the tests of the pool, scripted by their arguments and by the
 * bodies of the jobs. It keeps to PROTOCOL.md except where a script says otherwise, and shares
 * nothing with the pool but the frames.
 *
 * Arguments, for the forkserver:
 *   no-hello            never says HELLO
 *   hang-up             closes its socket instead, and stays
 *   exit N              exits with N instead of saying HELLO
 *   error TEXT          says ERROR instead of HELLO
 *   protocol N          says HELLO for protocol N
 *   later FILE MODE     does MODE (no-hello, exit, error) only if FILE exists
 *   odd-frame           sends a RESULT after HELLO
 *   no-pidfd            sends no pidfds;  odd-pidfd: sends every other one
 *   no-fork             answers no SPAWN;  fork-fails: reports every fork as failed
 *   no-leave            ignores LEAVE and EOF
 *   log FILE            appends a line for each SPAWN and SIGNAL: "spawn", or its name and size
 *   ahead               says in HELLO that children know the claim page
 * and for children:
 *   sets-bit            claims by an atomic OR instead of a compare-and-exchange
 *   unready N           the first N never become ready: they exit with 9
 *   mute N              the first N never become ready: they hang
 *   excuse TEXT         what an unready child says before it exits
 *   rss KIB             resident memory told by READY
 *   journal FILE        append the number of each job that they begin, 8 bytes of theirs
 *   stay                does not leave at LEAVE and EOF */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/pool/scripted.h"

enum { CHANNEL = 3, FAMILY_MAX = 4096 };

struct member {
    pid_t pid;
    uint32_t slot, generation;
};

static struct script script = {.exit_with = -1, .protocol = FRAME_PROTOCOL, .rss = 1000};
static struct member family[FAMILY_MAX];
static size_t family_size;
static unsigned long spawned;
static pid_t main_pid;
static char inherited_signals[256];

static void announce(const struct member *member)
{
    struct buffer buffer;
    buffer_init(&buffer, FRAME_MAX);
    bool with = !script.no_pidfd && !(script.odd_pidfd && member->generation % 2 == 0);
    int pidfd = with ? pidfd_open(member->pid, 0) : -1;
    if (frame_write_spawned(&buffer, member->slot, member->generation, member->pid) == 0)
        scripted_send(CHANNEL, &buffer, pidfd);
    if (pidfd >= 0)
        close(pidfd);
    buffer_done(&buffer);
}

static void close_both(const int *descriptors)
{
    close(descriptors[0]);
    if (descriptors[1] >= 0)
        close(descriptors[1]);
}

static void write_log(const char *format, ...)
{
    char line[128];
    va_list arguments;
    if (script.log == NULL)
        return;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    int fd = open(script.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, (size_t)size) != size)
        scripted_die("log");
    close(fd);
}

static void note_signal(const struct frame *frame)
{
    struct text name = frame_text(frame, 1), data = {NULL, 0};
    bool has_data = value_as_text(value_get(frame_value(frame, 2), "data"), &data);
    write_log("%.*s %zu\n", (int)name.size, name.data, has_data ? data.size : 0);
}

static void spawn(const struct frame *frame, const int *descriptors)
{
    struct member member = {.slot = (uint32_t)frame_uint(frame, 1),
                            .generation = (uint32_t)frame_uint(frame, 2)};
    pid_t server = getpid();
    if (descriptors[0] < 0 || script.ahead != (descriptors[1] >= 0))
        scripted_die("SPAWN without a socket, or with another page than it should have");
    write_log("spawn\n");
    if (script.no_fork)
        return;
    if (script.fork_fails) {
        struct frame_exit failed = {
            .slot = member.slot, .generation = member.generation, .wait_status = EAGAIN};
        close_both(descriptors);
        SEND(CHANNEL, frame_write_exited(&send_buffer, &failed));
        return;
    }
    spawned++;
    member.pid = fork();
    if (member.pid < 0)
        scripted_die("fork");
    if (member.pid == 0) {
        for (int fd = CHANNEL; fd < 64; fd++)
            if (fd != descriptors[0] && fd != descriptors[1])
                close(fd);
        scripted_child(descriptors, &script,
                       &(struct scripted_family){main_pid, server, spawned, inherited_signals});
    }
    close_both(descriptors);
    if (family_size < FAMILY_MAX)
        family[family_size++] = member;
    announce(&member);
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static bool reap(void)
{
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
        return false;
    if (info.si_code != CLD_EXITED)
        kill(-info.si_pid, SIGKILL);
    struct rusage usage;
    struct frame_exit exit_of_child = {.pid = info.si_pid};
    wait4(info.si_pid, &exit_of_child.wait_status, 0, &usage);
    exit_of_child.utime = seconds(usage.ru_utime);
    exit_of_child.stime = seconds(usage.ru_stime);
    exit_of_child.maxrss = (uint64_t)usage.ru_maxrss;
    for (size_t i = 0; i < family_size; i++)
        if (family[i].pid == info.si_pid) {
            exit_of_child.slot = family[i].slot;
            exit_of_child.generation = family[i].generation;
            family[i] = family[--family_size];
            SEND(CHANNEL, frame_write_exited(&send_buffer, &exit_of_child));
            break;
        }
    return true;
}

static _Noreturn void leave(void)
{
    while (script.no_leave)
        sleep(1000);
    /* The main process has no more use for the children, whether it is there or not. */
    for (size_t i = 0; i < family_size; i++)
        kill(family[i].pid, SIGKILL);
    _exit(0);
}

/* `descriptors` are those of a SPAWN that is not whole yet. */
static void handle_frames(struct frame_reader *reader, int *descriptors)
{
    struct frame frame;
    int rc;
    while ((rc = frame_reader_next(reader, &frame, NULL)) == 1) {
        if (frame.type == FRAME_LEAVE)
            leave();
        if (frame.type == FRAME_SIGNAL) {
            note_signal(&frame);
            continue;
        }
        spawn(&frame, descriptors);
        descriptors[0] = descriptors[1] = -1;
    }
    if (rc < 0)
        scripted_die("frame");
}

static void serve(int signals)
{
    struct frame_reader reader;
    int descriptors[2] = {-1, -1};
    if (!frame_reader_init(&reader))
        scripted_die("reader");
    for (;;) {
        struct pollfd polled[] = {{CHANNEL, POLLIN, 0}, {signals, POLLIN, 0}};
        struct signalfd_siginfo info;
        poll(polled, 2, -1);
        if (polled[1].revents != 0 && read(signals, &info, sizeof(info)) > 0)
            while (reap())
                continue;
        if (polled[0].revents == 0)
            continue;
        if (!scripted_receive(CHANNEL, &reader, descriptors))
            leave();
        handle_frames(&reader, descriptors);
    }
}

static void greet(void)
{
    static char description[] = "\x82\xa7runtime\xa8scripted\xa5"
                                "ahead\xc2";
    static const struct bytes bytes = {description, sizeof(description) - 1};
    if (script.ahead)
        description[sizeof(description) - 2] = '\xc3';
    struct buffer buffer;
    if (script.exit_with >= 0)
        _exit(script.exit_with);
    if (script.error != NULL) {
        SEND(CHANNEL, frame_write_error(&send_buffer, script.error));
        _exit(1);
    }
    if (script.hang_up)
        close(CHANNEL);
    while (script.no_hello || script.hang_up)
        sleep(1000);
    buffer_init(&buffer, FRAME_MAX);
    if (frame_write_hello(&buffer, bytes) != 0)
        scripted_die("hello");
    buffer.data[6] = (uint8_t)script.protocol; /* length (4), array, type, protocol */
    scripted_send(CHANNEL, &buffer, -1);
    buffer_done(&buffer);
    if (script.odd_frame)
        SEND(CHANNEL,
             frame_write_result(&send_buffer, &(struct frame_result){.report = {"\x80", 1}}));
}

static void remember_signals(void)
{
    sigset_t blocked;
    struct sigaction action;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    for (int number = 1; number < NSIG; number++) {
        bool ignored = sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
        if (ignored || sigismember(&blocked, number) == 1)
            snprintf(inherited_signals + strlen(inherited_signals),
                     sizeof(inherited_signals) - strlen(inherited_signals), "%d ", number);
    }
}

static const char *parse_one(char **words, int *index)
{
    const char *value = words[*index + 1];
    (*index)++;
    return value != NULL ? value : "";
}

static void parse(char **words)
{
    for (int i = 0; words[i] != NULL; i++) {
        const char *word = words[i];
        if (strcmp(word, "later") == 0) {
            if (access(parse_one(words, &i), F_OK) != 0)
                return;
        } else if (strcmp(word, "no-hello") == 0)
            script.no_hello = true;
        else if (strcmp(word, "hang-up") == 0)
            script.hang_up = true;
        else if (strcmp(word, "odd-frame") == 0)
            script.odd_frame = true;
        else if (strcmp(word, "no-pidfd") == 0)
            script.no_pidfd = true;
        else if (strcmp(word, "odd-pidfd") == 0)
            script.odd_pidfd = true;
        else if (strcmp(word, "no-fork") == 0)
            script.no_fork = true;
        else if (strcmp(word, "fork-fails") == 0)
            script.fork_fails = true;
        else if (strcmp(word, "no-leave") == 0)
            script.no_leave = true;
        else if (strcmp(word, "ahead") == 0)
            script.ahead = true;
        else if (strcmp(word, "sets-bit") == 0)
            script.sets_bit = true;
        else if (strcmp(word, "journal") == 0)
            script.journal = parse_one(words, &i);
        else if (strcmp(word, "log") == 0)
            script.log = parse_one(words, &i);
        else if (strcmp(word, "stay") == 0)
            script.stay = true;
        else if (strcmp(word, "exit") == 0)
            script.exit_with = (int)strtol(parse_one(words, &i), NULL, 10);
        else if (strcmp(word, "error") == 0)
            script.error = parse_one(words, &i);
        else if (strcmp(word, "excuse") == 0)
            script.excuse = parse_one(words, &i);
        else if (strcmp(word, "protocol") == 0)
            script.protocol = (int)strtol(parse_one(words, &i), NULL, 10);
        else if (strcmp(word, "unready") == 0)
            script.unready = strtoul(parse_one(words, &i), NULL, 10);
        else if (strcmp(word, "mute") == 0)
            script.mute = strtoul(parse_one(words, &i), NULL, 10);
        else if (strcmp(word, "rss") == 0)
            script.rss = strtoul(parse_one(words, &i), NULL, 10);
        else
            scripted_die(word);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    sigset_t child;
    main_pid = getppid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    remember_signals();
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    parse(argv + 1);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        scripted_die("signalfd");
    greet();
    serve(signals);
}
