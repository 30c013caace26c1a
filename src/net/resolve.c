#include "net/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/clock.h"

void address_describe(struct address *a)
{
    char host[INET6_ADDRSTRLEN] = "?";
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a->storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->storage;
    const struct sockaddr_un *un = (const struct sockaddr_un *)&a->storage;
    switch (a->storage.ss_family) {
    case AF_INET:
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(a->text, sizeof a->text, "%s:%u", host, (unsigned)ntohs(v4->sin_port));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(a->text, sizeof a->text, "[%s]:%u", host, (unsigned)ntohs(v6->sin6_port));
        break;
    case AF_UNIX:
        snprintf(a->text, sizeof a->text, "%.*s", (int)sizeof un->sun_path, un->sun_path);
        break;
    default:
        snprintf(a->text, sizeof a->text, "an address of family %d", a->storage.ss_family);
    }
}

static int unix_address(const struct url *u, struct addresses *out, struct err *e)
{
    struct address *a = &out->list[0];
    struct sockaddr_un *un = (struct sockaddr_un *)&a->storage;
    if (strlen(u->host) >= sizeof un->sun_path)
        return err_set(e, ERR_NET,
                       "the socket path '%s' is longer than the %zu characters Linux allows; use a "
                       "shorter one",
                       u->host, sizeof un->sun_path - 1);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, u->host, strlen(u->host) + 1);
    a->size = sizeof *un;
    address_describe(a);
    out->n = 1;
    return OK;
}

/* Addresses written as numbers need no resolver, which would read files and may be slow to load. */
static bool literal_address(const struct url *u, struct addresses *out)
{
    struct address *a = &out->list[0];
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a->storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a->storage;
    if (inet_pton(AF_INET, u->host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(u->port);
        a->size = sizeof *v4;
    } else if (inet_pton(AF_INET6, u->host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(u->port);
        a->size = sizeof *v6;
    } else {
        return false;
    }
    address_describe(a);
    out->n = 1;
    return true;
}

static bool already_listed(const struct addresses *list, const struct addrinfo *item)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->list[i].size == item->ai_addrlen &&
            memcmp(&list->list[i].storage, item->ai_addr, item->ai_addrlen) == 0)
            return true;
    return false;
}

static void append_address(struct addresses *out, const struct addrinfo *item)
{
    if (out->n == RESOLVE_MAX_ADDRESSES || item->ai_addrlen > sizeof out->list[0].storage ||
        (item->ai_family != AF_INET && item->ai_family != AF_INET6) || already_listed(out, item))
        return;
    struct address *a = &out->list[out->n++];
    memcpy(&a->storage, item->ai_addr, item->ai_addrlen);
    a->size = item->ai_addrlen;
    address_describe(a);
}

static int resolver_error(const struct url *u, int code, struct err *e)
{
    const char *why = gai_strerror(code);
    const char *advice = "is the name spelled right?";
    if (code == EAI_SYSTEM)
        why = strerror(errno);
    else if (code == EAI_AGAIN)
        advice = "is the name spelled right, and is there a network?";
    return err_set(e, ERR_NET, "cannot find the address of '%s': %s; %s", u->host, why, advice);
}

static int look_up(const struct url *u, struct addresses *out, struct err *e)
{
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)u->port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_protocol = IPPROTO_TCP,
                             .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(u->host, port, &hints, &found);
    if (code != 0)
        return resolver_error(u, code, e);
    for (const struct addrinfo *item = found; item; item = item->ai_next)
        append_address(out, item);
    freeaddrinfo(found);
    if (out->n == 0)
        return resolver_error(u, EAI_NONAME, e);
    return OK;
}

int resolve_url(const struct url *u, struct addresses *out, struct err *e)
{
    memset(out, 0, sizeof *out);
    if (u->is_unix)
        return unix_address(u, out, e);
    if (literal_address(u, out))
        return OK;
    int64_t before = clock_mono_ns();
    int rc = look_up(u, out, e);
    out->took_ns = clock_mono_ns() - before;
    return rc;
}
