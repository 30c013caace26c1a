#include "wire/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

enum {
    PORT_HTTP = 80,
    PORT_HTTPS = 443,
    SHOWN_BYTES = 120, /* a sentence shows this much of a text that is no URL */
};

#define FORMS "write http://host:port, https://host or unix:/path.sock"

/* A password that someone wrote before the host is not repeated: messages end in logs. */
static int refuse(struct err *e, struct slice text, const char *why)
{
    size_t from = 0;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '@')
            from = i + 1;
    text = slice_make(text.p + from, text.n - from);
    int n = text.n < SHOWN_BYTES ? (int)text.n : SHOWN_BYTES;
    return err_set(e, ERR_USAGE, "'%s%.*s': %s; " FORMS, from > 0 ? "…@" : "", n, n ? text.p : "",
                   why);
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Host names and IPv4 addresses; the underscore is common in container names. */
static bool is_host_byte(char c)
{
    return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static bool all_bytes(struct slice s, bool (*allowed)(char))
{
    for (size_t i = 0; i < s.n; i++)
        if (!allowed(s.p[i]))
            return false;
    return true;
}

static bool is_visible(char c)
{
    return c > 0x20 && c < 0x7f;
}

static bool is_not_control(char c)
{
    return (unsigned char)c >= 0x20 && c != 0x7f;
}

static struct slice tail(struct slice s, size_t from)
{
    return slice_make(s.p + from, s.n - from);
}

static void store(char *to, struct slice s)
{
    if (s.n > 0)
        memcpy(to, s.p, s.n);
    to[s.n] = '\0';
}

/* Offset of the first byte of s that is one of set; s.n if none. */
static size_t until(struct slice s, const char *set)
{
    size_t i = 0;
    while (i < s.n && (s.p[i] == '\0' || !strchr(set, s.p[i])))
        i++;
    return i;
}

static int parse_path(struct slice path, struct url *u, const char **why)
{
    if (path.n >= sizeof u->path)
        *why = "the path is too long";
    else if (!all_bytes(path, is_visible))
        *why = "the path holds a byte that must be percent-encoded";
    else if (until(path, "#") < path.n)
        *why = "a fragment (#…) names nothing on a server";
    if (*why)
        return ERR_USAGE;
    bool query = until(path, "?") < path.n;
    while (!query && path.n > 0 && path.p[path.n - 1] == '/')
        path.n--;
    store(u->path, path);
    if (path.n > 0 && path.p[0] == '?') { /* http://host?a=b */
        if (path.n + 1 >= sizeof u->path) {
            *why = "the path is too long";
            return ERR_USAGE;
        }
        u->path[0] = '/';
        store(u->path + 1, path);
    }
    return OK;
}

static int parse_port(struct slice port, struct url *u, const char **why)
{
    unsigned v = 0;
    *why = "the port must be a number from 1 to 65535";
    if (port.n == 0 || port.n > 5)
        return ERR_USAGE;
    for (size_t i = 0; i < port.n; i++) {
        if (port.p[i] < '0' || port.p[i] > '9')
            return ERR_USAGE;
        v = v * 10 + (unsigned)(port.p[i] - '0');
    }
    if (v == 0 || v > UINT16_MAX)
        return ERR_USAGE;
    u->port = (uint16_t)v;
    *why = NULL;
    return OK;
}

/* An address as it stands in brackets; a zone ("%25eth0", RFC 6874, or plain "%eth0") is kept as
 * the resolver wants it. */
static int parse_ipv6(struct slice inside, struct url *u, const char **why)
{
    struct in6_addr ignored;
    size_t n = until(inside, "%");
    struct slice zone = tail(inside, n);
    *why = "the brackets do not hold an IPv6 address";
    if (slice_starts(zone, "%25"))
        zone = tail(zone, 3);
    else if (zone.n > 0)
        zone = tail(zone, 1);
    if (n >= INET6_ADDRSTRLEN || n + 1 + zone.n >= sizeof u->host || !all_bytes(zone, is_host_byte))
        return ERR_USAGE;
    if (n < inside.n && zone.n == 0)
        return ERR_USAGE;
    store(u->host, slice_make(inside.p, n));
    if (strlen(u->host) != n || inet_pton(AF_INET6, u->host, &ignored) != 1)
        return ERR_USAGE;
    if (zone.n > 0) {
        u->host[n] = '%';
        store(u->host + n + 1, zone);
    }
    *why = NULL;
    return OK;
}

static int parse_host(struct slice host, struct url *u, const char **why)
{
    if (host.n == 0)
        *why = "the host is missing";
    else if (host.n >= sizeof u->host)
        *why = "the host name is too long";
    else if (!all_bytes(host, is_host_byte))
        *why = "the host name holds a byte that no host name has";
    if (*why)
        return ERR_USAGE;
    store(u->host, host);
    return OK;
}

static int parse_authority(struct slice a, struct url *u, const char **why)
{
    struct slice port;
    int rc;
    if (until(a, "@") < a.n) {
        *why = "user names and passwords do not belong here (see --api-key and --header)";
        return ERR_USAGE;
    }
    if (a.n > 0 && a.p[0] == '[') {
        size_t close = until(a, "]");
        if (close == a.n) {
            *why = "a bracket is not closed";
            return ERR_USAGE;
        }
        rc = parse_ipv6(slice_make(a.p + 1, close - 1), u, why);
        port = tail(a, close + 1);
    } else {
        size_t colon = until(a, ":");
        rc = parse_host(slice_make(a.p, colon), u, why);
        port = tail(a, colon);
    }
    if (rc < 0 || port.n == 0)
        return rc;
    if (port.p[0] == ':')
        return parse_port(tail(port, 1), u, why);
    *why = "only a port may follow the brackets";
    return ERR_USAGE;
}

static int parse_tcp(struct slice rest, struct url *u, const char **why)
{
    size_t n = until(rest, "/?#");
    u->port = u->tls ? PORT_HTTPS : PORT_HTTP;
    int rc = parse_authority(slice_make(rest.p, n), u, why);
    return rc < 0 ? rc : parse_path(tail(rest, n), u, why);
}

static int parse_unix(struct slice rest, struct url *u, const char **why)
{
    struct sockaddr_un address;
    if (slice_starts(rest, "///")) /* unix:///path, the URI way */
        rest = tail(rest, 2);
    const char *split = rest.n > 0 ? slice_find(rest, slice_of(":/")) : NULL;
    size_t n = split ? (size_t)(split - rest.p) : rest.n;
    if (n == 0 || rest.p[0] != '/' || slice_starts(rest, "//"))
        *why = "the socket's path must begin with one /";
    else if (n >= sizeof address.sun_path)
        *why = "the socket's path is longer than the system allows (107 bytes)";
    else if (!all_bytes(slice_make(rest.p, n), is_not_control))
        *why = "the socket's path holds a control character";
    if (*why)
        return ERR_USAGE;
    store(u->host, slice_make(rest.p, n));
    return split ? parse_path(tail(rest, n + 1), u, why) : OK;
}

static bool has_prefix_nocase(struct slice s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && slice_is_nocase(slice_make(s.p, n), prefix);
}

int url_parse(struct slice text, struct url *out, struct err *e)
{
    struct url u = {0};
    const char *why = NULL;
    int rc = ERR_USAGE;
    if (has_prefix_nocase(text, "http://")) {
        rc = parse_tcp(tail(text, 7), &u, &why);
    } else if (has_prefix_nocase(text, "https://")) {
        u.tls = true;
        rc = parse_tcp(tail(text, 8), &u, &why);
    } else if (has_prefix_nocase(text, "unix:")) {
        u.is_unix = true;
        rc = parse_unix(tail(text, 5), &u, &why);
    } else {
        why = "not a URL";
    }
    if (rc < 0)
        return refuse(e, text, why);
    *out = u;
    return OK;
}

const char *url_host_header(const struct url *u, char *out, size_t out_bytes)
{
    if (u->is_unix) {
        snprintf(out, out_bytes, "localhost");
        return out;
    }
    bool v6 = strchr(u->host, ':') != NULL;
    int n = (int)strcspn(u->host, "%"); /* a zone means something on this machine only */
    const char *open = v6 ? "[" : "", *close = v6 ? "]" : "";
    if (u->port == (u->tls ? PORT_HTTPS : PORT_HTTP))
        snprintf(out, out_bytes, "%s%.*s%s", open, n, u->host, close);
    else
        snprintf(out, out_bytes, "%s%.*s%s:%u", open, n, u->host, close, (unsigned)u->port);
    return out;
}
