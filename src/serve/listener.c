#include "serve/listener.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/units.h"
#include "net/sock.h"

enum { MAX_PORT = 65535 };

/* "HOST:PORT" or "[IPv6]:PORT" into the parts that the resolver takes. */
static int split(const char *text, struct url *out, struct err *e)
{
    struct slice whole = slice_of(text);
    const char *colon = strrchr(text, ':');
    if (!colon)
        return err_set(e, ERR_USAGE,
                       "cannot listen at '%s': write HOST:PORT, [IPv6]:PORT or unix:/path.sock",
                       text);
    struct slice host = slice_make(text, (size_t)(colon - text));
    struct slice port = slice_make(colon + 1, whole.n - host.n - 1);
    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = slice_make(host.p + 1, host.n - 2);
    int64_t number;
    int rc = units_count(port, "the port to listen at", 0, MAX_PORT, &number, e);
    if (rc < 0)
        return rc;
    if (host.n == 0 || host.n >= sizeof out->host)
        return err_set(
            e, ERR_USAGE,
            "cannot listen at '%s': name an address, such as 127.0.0.1 or 0.0.0.0 for all", text);
    memcpy(out->host, host.p, host.n);
    out->port = (uint16_t)number;
    return OK;
}

static int where(const char *text, struct url *out, struct err *e)
{
    *out = (struct url){0};
    if (!slice_starts(slice_of(text), "unix:"))
        return split(text, out, e);
    const char *path = text + strlen("unix:");
    if (*path == '\0' || strlen(path) >= sizeof out->host)
        return err_set(e, ERR_USAGE,
                       "cannot listen at '%s': write unix:/path.sock, up to %zu letters", text,
                       sizeof out->host - 1);
    out->is_unix = true;
    memcpy(out->host, path, strlen(path));
    return OK;
}

static uint16_t port_of(const struct address *a)
{
    if (a->storage.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&a->storage)->sin_port);
    if (a->storage.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&a->storage)->sin6_port);
    return 0;
}

int listener_open(const char *text, struct listener *out, struct err *e)
{
    struct url u;
    struct addresses found = {0};
    int rc = where(text, &u, e);
    if (rc == OK)
        rc = resolve_url(&u, &found, e);
    if (rc < 0)
        return rc;
    int fd = sock_listen(&found.list[0], e);
    if (fd < 0)
        return fd;
    *out = (struct listener){.fd = fd, .at = found.list[0]};
    if (!u.is_unix)
        sock_local_address(fd, &out->at);
    out->port = port_of(&out->at);
    return OK;
}

void listener_close(struct listener *l)
{
    if (l->fd < 0)
        return;
    close(l->fd);
    l->fd = -1;
    if (l->at.storage.ss_family == AF_UNIX)
        unlink(((const struct sockaddr_un *)&l->at.storage)->sun_path);
}
