#include "report/json_values.h"

#include "report/tool.h"

enum { REAL_DIGITS = 15 };

json_t *json_values_text(const char *p)
{
    json_t *s = json_string(p);
    if (s)
        return s;
    struct buf clean = {0};
    for (; *p; p++)
        buf_putc(&clean, (unsigned char)*p < 0x80 ? *p : '?');
    s = json_string(buf_cstr(&clean));
    buf_release(&clean);
    return s;
}

json_t *json_values_tool(void)
{
    json_t *o = json_object();
    put(o, "name", text("loadline"));
    put(o, "version", text(tool_version()));
    put(o, "commit", text_or_null(tool_commit()));
    return o;
}

static int append(const char *bytes, size_t n, void *out)
{
    return buf_append(out, bytes, n);
}

int json_values_dump(json_t *o, struct buf *out, struct err *e)
{
    size_t before = out->n;
    int rc =
        o ? json_dump_callback(o, append, out, JSON_INDENT(2) | JSON_REAL_PRECISION(REAL_DIGITS))
          : -1;
    json_decref(o);
    if (rc == 0)
        rc = buf_putc(out, '\n');
    if (rc == 0)
        return OK;
    out->n = before;
    return err_set(e, ERR_TOO_BIG, "the result does not fit as JSON");
}
