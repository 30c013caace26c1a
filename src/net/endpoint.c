/* The endpoint and route of net/exchange.h: what is settled before a run and shared by all threads.
 */

#include "net/route.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

int endpoint_open(struct slice url, const struct tls_options *tls, struct endpoint *out,
                  struct err *e)
{
    memset(out, 0, sizeof *out);
    int rc = url_parse(url, &out->url, e);
    if (rc == OK)
        rc = resolve_url(&out->url, &out->addresses, e);
    if (rc == OK && out->url.tls)
        rc = tls_client_context(tls, &out->tls, e);
    return rc;
}

void endpoint_close(struct endpoint *ep)
{
    tls_context_release(ep->tls);
    ep->tls = NULL;
}

static bool is_header(const char *line, const char *name)
{
    size_t n = strlen(name);
    return strncasecmp(line, name, n) == 0 && line[n] == ':';
}

static bool has_header(const char *const *lines, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (is_header(lines[i], name))
            return true;
    return false;
}

/* A line ends where the first CR or LF is, so that no header value can smuggle in another header.
 */
static void put_lines(struct buf *head, const char *const *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_append(head, lines[i], strcspn(lines[i], "\r\n"));
        buf_puts(head, "\r\n");
    }
}

struct route *route_new(const struct endpoint *ep, const char *method, const char *path,
                        const char *const *header_lines, size_t header_count)
{
    struct route *r = MEM_NEW(struct route);
    char host[320];
    bool rooted = ep->url.path[0] != '\0' || path[0] != '\0';
    buf_printf(&r->head, "%s %s%s HTTP/1.1\r\n", method, rooted ? ep->url.path : "/", path);
    if (!has_header(header_lines, header_count, "Host"))
        buf_printf(&r->head, "Host: %s\r\n", url_host_header(&ep->url, host, sizeof host));
    if (!has_header(header_lines, header_count, "User-Agent"))
        buf_puts(&r->head, "User-Agent: loadline\r\n");
    r->no_answer_body = strcmp(method, "HEAD") == 0;
    r->bodyless = strcmp(method, "GET") == 0 || r->no_answer_body || strcmp(method, "DELETE") == 0;
    if (!r->bodyless && !has_header(header_lines, header_count, "Content-Type"))
        buf_puts(&r->head,
                 "Content-Type: application/json\r\n"); /* vLLM refuses a body without it */
    put_lines(&r->head, header_lines, header_count);
    return r;
}

void route_free(struct route *r)
{
    if (!r)
        return;
    buf_release(&r->head);
    free(r);
}
