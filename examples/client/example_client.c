/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls tasks of examples/native: `example_client amqp://guest@localhost// rpc://`. */

#include <celeriac/client.h>
#include <stdio.h>

static int report(const struct celeriac_client *client, const char *what)
{
    fprintf(stderr, "%s: %s\n", what, celeriac_client_error(client));
    return 1;
}

/* Some tasks at once, then their results. */
static int add_numbers(struct celeriac_client *client)
{
    enum { COUNT = 3 };
    char ids[COUNT][CELERIAC_TASK_ID_SIZE], args[32];
    for (int i = 0; i < COUNT; i++) {
        snprintf(args, sizeof(args), "[%d, %d]", i, i);
        const struct celeriac_call call = {.task = "example.add", .args = args};
        if (celeriac_client_send(client, &call, ids[i]) != 0)
            return report(client, "send");
    }
    for (int i = 0; i < COUNT; i++) {
        struct celeriac_result *result;
        if (celeriac_client_wait(client, ids[i], 10, &result) != 0)
            return report(client, "wait");
        printf("%d + %d = %s\n", i, i, celeriac_result_json(result));
        celeriac_result_free(result);
    }
    return 0;
}

static int fail_on_purpose(struct celeriac_client *client)
{
    const struct celeriac_call call = {
        .task = "example.fail", .kwargs = "{\"message\": \"bad thing\"}", .expires = 60};
    char id[CELERIAC_TASK_ID_SIZE];
    struct celeriac_result *result;
    if (celeriac_client_send(client, &call, id) != 0)
        return report(client, "send");
    if (celeriac_client_wait(client, id, 10, &result) != 0)
        return report(client, "wait");
    printf("%s: %s\n", celeriac_result_state(result), celeriac_result_exception(result));
    celeriac_result_free(result);
    return 0;
}

int main(int argc, char **argv)
{
    const struct celeriac_client_config config = {.broker_url = argc > 1 ? argv[1] : NULL,
                                                  .result_backend = argc > 2 ? argv[2] : "rpc://"};
    struct celeriac_client *client;
    char error[CELERIAC_CLIENT_ERROR_SIZE];
    if (celeriac_client_open(&config, &client, error) != 0) {
        fprintf(stderr, "%s\n", error);
        return 2;
    }
    int status = add_numbers(client);
    if (status == 0)
        status = fail_on_purpose(client);
    celeriac_client_close(client);
    return status;
}
