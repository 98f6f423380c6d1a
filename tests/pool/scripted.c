/* SPDX-License-Identifier: BSD-3-Clause */
/* A forkserver and its children for the tests of the pool, scripted by their arguments and by the
 * bodies of the jobs. It keeps to PROTOCOL.md except where a script says otherwise, and shares
 * nothing with the pool but the frames.
 *
 * Arguments, for the forkserver:
 *   no-hello            never says HELLO
 *   exit N              exits with N instead of saying HELLO
 *   error TEXT          says ERROR instead of HELLO
 *   protocol N          says HELLO for protocol N
 *   later FILE MODE     does MODE (no-hello, exit, error) only if FILE exists
 *   odd-frame           sends a RESULT after HELLO
 *   no-pidfd            sends no pidfds;  odd-pidfd: sends every other one
 *   no-fork             answers no SPAWN;  fork-fails: reports every fork as failed
 *   no-leave            ignores LEAVE and EOF
 *   ahead               says in HELLO that children know the claim page
 *   journal FILE        children append the number of each job that they begin, 8 bytes of theirs
 * and for children:
 *   unready N           the first N never become ready: they exit with 9
 *   mute N              the first N never become ready: they hang
 *   excuse TEXT         what an unready child says before it exits
 *   rss KIB             resident memory told by READY
 *   stay                does not leave at LEAVE and EOF */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "codec/claims.h"
#include "codec/frame.h"

enum { CHANNEL = 3, FAMILY_MAX = 4096 };

struct script {
    bool no_hello, odd_frame, no_pidfd, odd_pidfd, no_fork, fork_fails, no_leave, stay, ahead;
    int exit_with, protocol;
    unsigned long unready, mute, rss;
    const char *error, *excuse, *journal;
};

struct member {
    pid_t pid;
    uint32_t slot, generation;
};

static struct script script = {.exit_with = -1, .protocol = FRAME_PROTOCOL, .rss = 1000};
static struct member family[FAMILY_MAX];
static size_t family_size;
static unsigned long spawned;
static pid_t main_pid;
static volatile sig_atomic_t soft_limit_of = -1, soft_limits;

static void die(const char *what)
{
    perror(what);
    _exit(70);
}

/* --- frames over a blocking socket --- */

static void send_with(int fd, const struct buffer *buffer, int descriptor)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.space = {0}};
    struct iovec vector = {buffer->data, buffer->size};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (descriptor >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &descriptor, sizeof(int));
    }
    while (vector.iov_len > 0) {
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return;
        vector.iov_base = (char *)vector.iov_base + sent;
        vector.iov_len -= (size_t)sent;
        message.msg_control = NULL;
        message.msg_controllen = 0;
    }
}

/* False: EOF. descriptors[] gets what came as SCM_RIGHTS, at most two, if anything did. */
static bool receive(int fd, struct frame_reader *reader, int *descriptors)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec vector;
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    message.msg_control = &control;
    message.msg_controllen = CMSG_LEN(2 * sizeof(int));
    vector.iov_base = frame_reader_room(reader, &vector.iov_len);
    if (vector.iov_base == NULL)
        die("room");
    ssize_t got;
    do
        got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return false;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL)
        memcpy(descriptors, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
    frame_reader_fill(reader, (size_t)got);
    return true;
}

#define SEND(fd, write)                                                                            \
    do {                                                                                           \
        struct buffer send_buffer;                                                                 \
        buffer_init(&send_buffer, FRAME_MAX);                                                      \
        if ((write) == 0)                                                                          \
            send_with((fd), &send_buffer, -1);                                                     \
        buffer_done(&send_buffer);                                                                 \
    } while (0)

/* --- a child --- */

struct child {
    int fd;
    struct frame_reader reader;
    struct buffer output;
    struct claims *claims; /* NULL: none */
    uint32_t frames;
    uint64_t job;
    uint32_t flags;
    struct text body;
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
        send_with(child->fd, &child->output, -1);
}

static void answer_string(struct child *child, const char *string)
{
    answer(child, 0, script.rss, (struct text){string, strlen(string)});
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
    answer(child, 0, script.rss, child->body);
}

static void do_sleep(struct child *child, const char *argument)
{
    rest(strtod(argument, NULL));
    answer(child, 0, script.rss, child->body);
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
    answer(child, 0, script.rss, child->body);
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
    answer(child, FRAME_RESULT_RETIRING, script.rss, child->body);
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
        die("fork");
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
        die("opendir");
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.' && strtol(entry->d_name, NULL, 10) != dirfd(folder)) {
            size_t used = strlen(text);
            snprintf(text + used, sizeof(text) - used, "%s ", entry->d_name);
        }
    closedir(folder);
    answer_string(child, text);
}

/* The dispositions that the forkserver got from the pool. */
static char inherited_signals[256];

static void do_inherited(struct child *child, const char *argument)
{
    (void)argument;
    answer_string(child, inherited_signals);
}

static const struct command {
    const char *name;
    void (*run)(struct child *child, const char *argument);
} commands[] = {
    {"ok", do_ok},
    {"sleep", do_sleep},
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
};

/* False: the job was taken back. "unclaimed" does not ask, and "no-claim" dies before it does. */
static bool claim(struct child *child, const char *command)
{
    uint32_t frame = child->frames++;
    if (child->claims == NULL || strcmp(command, "unclaimed") == 0)
        return true;
    if (strcmp(command, "no-claim") == 0)
        _exit(3);
    return claims_begin(child->claims, frame);
}

static void write_journal(const struct child *child)
{
    if (script.journal == NULL)
        return;
    int fd = open(script.journal, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, &child->job, sizeof(child->job)) != sizeof(child->job))
        die("journal");
    close(fd);
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
        die("mmap");
    close(fd);
    return page;
}

static _Noreturn void child_main(const int *descriptors, pid_t server, unsigned long number)
{
    int fd = descriptors[0];
    struct child child = {.fd = fd, .claims = map_claims(descriptors[1])};
    buffer_init(&child.output, FRAME_MAX);
    prepare_child();
    if (getppid() != server && getppid() != main_pid)
        _exit(0);
    if (number <= script.mute)
        do_hang(&child, "");
    if (number <= script.unready) {
        if (script.excuse != NULL)
            SEND(fd, frame_write_error(&send_buffer, script.excuse));
        _exit(9);
    }
    if (!frame_reader_init(&child.reader))
        die("reader");
    SEND(fd, frame_write_ready(&send_buffer, script.rss));
    for (;;) {
        struct frame frame;
        int descriptors_of_none[2], rc = frame_reader_next(&child.reader, &frame, NULL);
        if (rc < 0)
            _exit(73);
        if (rc == 1 && frame.type == FRAME_JOB)
            run_job(&child, &frame);
        else if ((rc == 1 && frame.type == FRAME_LEAVE) ||
                 (rc == 0 && !receive(fd, &child.reader, descriptors_of_none))) {
            while (script.stay)
                rest(1000);
            _exit(0);
        }
    }
}

/* --- the forkserver --- */

static void announce(const struct member *member)
{
    struct buffer buffer;
    buffer_init(&buffer, FRAME_MAX);
    bool with = !script.no_pidfd && !(script.odd_pidfd && member->generation % 2 == 0);
    int pidfd = with ? pidfd_open(member->pid, 0) : -1;
    if (frame_write_spawned(&buffer, member->slot, member->generation, member->pid) == 0)
        send_with(CHANNEL, &buffer, pidfd);
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

static void spawn(const struct frame *frame, const int *descriptors)
{
    struct member member = {.slot = (uint32_t)frame_uint(frame, 1),
                            .generation = (uint32_t)frame_uint(frame, 2)};
    pid_t server = getpid();
    if (descriptors[0] < 0 || script.ahead != (descriptors[1] >= 0))
        die("SPAWN without a socket, or with another page than it should have");
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
        die("fork");
    if (member.pid == 0) {
        for (int fd = CHANNEL; fd < 64; fd++)
            if (fd != descriptors[0] && fd != descriptors[1])
                close(fd);
        child_main(descriptors, server, spawned);
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
        rest(1000);
    /* The main process has no more use for the children, whether it is there or not. */
    for (size_t i = 0; i < family_size; i++)
        kill(family[i].pid, SIGKILL);
    _exit(0);
}

static void serve(int signals)
{
    struct frame_reader reader;
    struct frame frame;
    if (!frame_reader_init(&reader))
        die("reader");
    for (;;) {
        struct pollfd polled[] = {{CHANNEL, POLLIN, 0}, {signals, POLLIN, 0}};
        struct signalfd_siginfo info;
        int descriptors[2] = {-1, -1}, rc;
        poll(polled, 2, -1);
        if (polled[1].revents != 0 && read(signals, &info, sizeof(info)) > 0)
            while (reap())
                continue;
        if (polled[0].revents == 0)
            continue;
        if (!receive(CHANNEL, &reader, descriptors))
            leave();
        while ((rc = frame_reader_next(&reader, &frame, NULL)) == 1) {
            if (frame.type == FRAME_LEAVE)
                leave();
            spawn(&frame, descriptors);
            descriptors[0] = descriptors[1] = -1;
        }
        if (rc < 0)
            die("frame");
    }
}

static void greet(void)
{
    static char description[] = "\x82\xa7runtime\xa8scripted\xa5"
                                "ahead\xc2";
    static const struct bytes bytes = {description, sizeof(description) - 1};
    description[sizeof(description) - 2] += script.ahead;
    struct buffer buffer;
    if (script.exit_with >= 0)
        _exit(script.exit_with);
    if (script.error != NULL) {
        SEND(CHANNEL, frame_write_error(&send_buffer, script.error));
        _exit(1);
    }
    while (script.no_hello)
        rest(1000);
    buffer_init(&buffer, FRAME_MAX);
    if (frame_write_hello(&buffer, bytes) != 0)
        die("hello");
    buffer.data[6] = (uint8_t)script.protocol; /* length (4), array, type, protocol */
    send_with(CHANNEL, &buffer, -1);
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
        else if (strcmp(word, "journal") == 0)
            script.journal = parse_one(words, &i);
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
            die(word);
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
        die("signalfd");
    greet();
    serve(signals);
}
