/* A URL that is taken gives the same again when written from its parts. */
#include <stddef.h>
#include <stdint.h>

#include "wire/url.h"

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_tcp(const struct url *u, struct buf *text)
{
    bool v6 = strchr(u->host, ':') != NULL;
    int address = (int)strcspn(u->host, "%");
    const char *zone = u->host + address;
    buf_printf(text, "%s://%s%.*s", u->tls ? "https" : "http", v6 ? "[" : "", address, u->host);
    if (*zone)
        buf_printf(text, "%%25%s", zone + 1); /* RFC 6874: the percent sign itself is escaped */
    buf_printf(text, "%s:%u%s", v6 ? "]" : "", (unsigned)u->port, u->path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct url u, again;
    struct err e = {0};
    struct buf text = {0};
    char header[300];
    if (url_parse(slice_make((const char *)data, size), &u, &e) < 0) {
        if (e.code != ERR_USAGE || !e.text[0])
            BUG("refused without a word");
        return 0;
    }
    url_host_header(&u, header, sizeof header);
    if (u.is_unix)
        buf_printf(&text, "unix:%s%s%s", u.host, u.path[0] ? ":" : "", u.path);
    else
        put_tcp(&u, &text);
    if (url_parse(buf_slice(&text), &again, &e) < 0 || strcmp(u.host, again.host) != 0 ||
        strcmp(u.path, again.path) != 0 || u.port != again.port)
        BUG("a URL does not come back");
    buf_release(&text);
    return 0;
}
