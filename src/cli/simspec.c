#include "cli/simspec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

enum { MAX_FILE_BYTES = 1 << 20, READ_BYTES = 4096 };

static int read_file(const char *path, struct buf *out, struct err *e)
{
    char bytes[READ_BYTES];
    FILE *f = fopen(path, "rb");
    if (!f)
        return err_set(e, ERR_IO, "sim: definitions=%s: %s", path, strerror(errno));
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, f)) > 0 && out->n <= MAX_FILE_BYTES;)
        buf_append(out, bytes, n);
    bool failed = ferror(f) != 0;
    fclose(f);
    if (failed)
        return err_set(e, ERR_IO, "sim: definitions=%s cannot be read", path);
    if (out->n > MAX_FILE_BYTES)
        return err_set(e, ERR_INPUT, "sim: definitions=%s is larger than 1 MiB", path);
    return OK;
}

static int read_definitions(struct slice name, struct definitions **out, struct err *e)
{
    struct buf text = {0};
    char *path = mem_strndup(name.p, name.n);
    int rc = read_file(path, &text, e);
    if (rc == OK) {
        rc = definitions_parse(buf_slice(&text), out, e);
        if (rc < 0)
            err_prefix(e, "%s: ", path);
    }
    buf_release(&text);
    free(path);
    return rc;
}

int simspec_open(const char *text, struct simspec *out, struct err *e)
{
    *out = (struct simspec){0};
    struct slice file = spec_definitions(slice_of(text));
    int rc = file.n ? read_definitions(file, &out->definitions, e) : OK;
    if (rc == OK)
        rc = spec_parse_with(slice_of(text), out->definitions, &out->config, e);
    if (rc < 0)
        simspec_release(out);
    return rc;
}

void simspec_release(struct simspec *s)
{
    definitions_free(s->definitions);
    s->definitions = NULL;
}
