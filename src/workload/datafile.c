#include "workload/datafile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A pipe has no size to ask for, so what is read from one is bounded. */
#define PIPE_MAX_BYTES ((size_t)1 << 30)
enum { PIPE_READ_BYTES = 1 << 20 };

static int read_all(int fd, const char *path, struct datafile *f, struct err *e)
{
    buf_init(&f->read, PIPE_MAX_BYTES);
    for (;;) {
        if (buf_reserve(&f->read, PIPE_READ_BYTES) < 0)
            return err_set(
                e, ERR_TOO_BIG,
                "%s: more than 1 GiB came through this pipe; save it to a file and name that",
                path);
        ssize_t n = read(fd, f->read.p + f->read.n, PIPE_READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, ERR_IO, "cannot read the dataset %s: %s", path, strerror(errno));
        if (n == 0)
            break;
        f->read.n += (size_t)n;
    }
    f->text = buf_slice(&f->read);
    return OK;
}

static int map_all(int fd, size_t bytes, const char *path, struct datafile *f, struct err *e)
{
    void *map = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return err_set(e, ERR_IO, "cannot map the dataset %s: %s", path, strerror(errno));
    f->map = map;
    f->map_bytes = bytes;
    f->text = slice_make(map, bytes);
    return OK;
}

static int take(int fd, const char *path, struct datafile *f, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set(e, ERR_IO, "cannot read the dataset %s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return err_set(e, ERR_INPUT,
                       "%s is a directory; name the dataset file inside it (--dataset-path FILE)",
                       path);
    /* Files of /proc and the like are regular and claim no bytes: only reading tells. */
    int rc = S_ISREG(st.st_mode) && st.st_size > 0 ? map_all(fd, (size_t)st.st_size, path, f, e)
                                                   : read_all(fd, path, f, e);
    if (rc < 0)
        return rc;
    if (slice_starts(f->text, "\xEF\xBB\xBF"))
        f->text = slice_make(f->text.p + 3, f->text.n - 3);
    if (slice_trim(f->text).n == 0)
        return err_set(e, ERR_INPUT, "%s is empty: a dataset needs at least one item", path);
    return OK;
}

int datafile_open(const char *path, struct datafile *f, struct err *e)
{
    *f = (struct datafile){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, ERR_INPUT, "cannot open the dataset %s: %s (check --dataset-path)", path,
                       strerror(errno));
    int rc = take(fd, path, f, e);
    close(fd);
    if (rc < 0)
        datafile_close(f);
    return rc;
}

void datafile_close(struct datafile *f)
{
    if (f->map)
        munmap(f->map, f->map_bytes);
    buf_release(&f->read);
    *f = (struct datafile){0};
}
