/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs a fuzz target once on every file of a folder, so that a corpus is a test wherever libFuzzer
 * is not. */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static int replay_open(FILE *file)
{
    struct stat status;
    if (fstat(fileno(file), &status) != 0)
        return -1;
    size_t size = (size_t)status.st_size;
    unsigned char *data = malloc(size > 0 ? size : 1); /* ends where its memory ends */
    if (data == NULL)
        return -1;
    int rc = fread(data, 1, size, file) == size ? 0 : -1;
    if (rc == 0)
        LLVMFuzzerTestOneInput(data, size);
    free(data);
    return rc;
}

static int replay_file(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    int rc = file != NULL ? replay_open(file) : -1;
    if (rc != 0)
        perror(path);
    if (file != NULL)
        fclose(file);
    return rc;
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (folder == NULL) {
        fprintf(stderr, "usage: %s FOLDER (which exists)\n", argv[0]);
        return 2;
    }
    int count = 0;
    int failed = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] == '.')
            continue;
        failed += replay_file(argv[1], entry->d_name) != 0;
        count++;
    }
    closedir(folder);
    printf("%d inputs\n", count);
    return failed == 0 && count > 0 ? 0 : 1;
}
