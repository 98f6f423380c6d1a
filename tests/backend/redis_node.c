/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/backend/redis_node.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    char url[256];
    int port;
    pid_t pid;
    FILE *commands, *answers;
} node;

static void read_line(char *ret, size_t size)
{
    if (fgets(ret, (int)size, node.answers) == NULL)
        fail_msg("the server's script ended");
    ret[strcspn(ret, "\n")] = '\0';
}

static void run(int commands, int answers)
{
    dup2(commands, STDIN_FILENO);
    dup2(answers, STDOUT_FILENO);
    setenv("PYTHONPATH", CELERIAC_SOURCE_DIR "/tests", 1);
    execl("/usr/bin/python3", "python3", "-m", "support.redis", (char *)NULL);
    _exit(127);
}

int redis_node_start(void **state)
{
    int commands[2];
    int answers[2];
    (void)state;
    signal(SIGPIPE, SIG_IGN); /* as the worker's main process does */
    if (pipe2(commands, O_CLOEXEC) != 0 || pipe2(answers, O_CLOEXEC) != 0)
        return -1;
    node.pid = fork();
    if (node.pid == 0)
        run(commands[0], answers[1]);
    close(commands[0]);
    close(answers[1]);
    node.commands = fdopen(commands[1], "w");
    node.answers = fdopen(answers[0], "r");
    read_line(node.url, sizeof(node.url));
    return sscanf(node.url, "redis://127.0.0.1:%d/0", &node.port) == 1 ? 0 : -1;
}

int redis_node_stop(void **state)
{
    (void)state;
    fclose(node.commands); /* its sign to end */
    waitpid(node.pid, NULL, 0);
    fclose(node.answers);
    return 0;
}

const char *redis_node_url(void)
{
    return node.url;
}

void redis_node_command(const char *command)
{
    char answer[1024];
    fprintf(node.commands, "%s\n", command);
    fflush(node.commands);
    read_line(answer, sizeof(answer));
    if (strcmp(answer, "ok") != 0)
        fail_msg("%s: %s", command, answer);
}

redisContext *redis_node_client(void)
{
    redisContext *client = redisConnect("127.0.0.1", node.port);
    if (client == NULL || client->err != 0)
        fail_msg("cannot connect to Redis");
    return client;
}
