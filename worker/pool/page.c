/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the system calls behind a claim page. Must not know what is claimed. */

#include "worker/pool/page.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Sealed: a child that shrank its page would have our next look at it end in SIGBUS. */
static int open_page(void)
{
    int fd = memfd_create("celeriac-claims", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    if (ftruncate(fd, CLAIMS_PAGE_SIZE) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    close(fd);
    return -1;
}

struct claims *page_new(int *ret_fd)
{
    int fd = open_page();
    if (fd < 0)
        return NULL;
    void *page = mmap(NULL, CLAIMS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) {
        close(fd);
        return NULL;
    }
    *ret_fd = fd;
    return page;
}

void page_free(struct claims *claims)
{
    if (claims != NULL)
        munmap(claims, CLAIMS_PAGE_SIZE);
}
