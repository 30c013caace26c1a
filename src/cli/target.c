#include "cli/target.h"

#include <stdio.h>
#include <string.h>

#include "cli/simspec.h"

static bool is_sim(const char *text)
{
    return strncmp(text, "sim:", 4) == 0;
}

int target_check(const char *text, struct err *e)
{
    struct url url;
    if (is_sim(text)) {
        struct simspec spec;
        int rc = simspec_open(text + 4, &spec, e);
        if (rc == OK)
            simspec_release(&spec);
        return rc;
    }
    if (!strstr(text, "://") && strncmp(text, "unix:", 5) != 0 && !strchr(text, '@'))
        return err_set(
            e, ERR_USAGE,
            "the target \"%s\" is not a URL; write http://%s, https://…, unix:/path.sock "
            "or sim:MODEL@GPU",
            text, text);
    return url_parse(slice_of(text), &url, e);
}

static void drop_v1(struct url *url)
{
    size_t n = strlen(url->path);
    if (n >= 3 && strcmp(url->path + n - 3, "/v1") == 0)
        url->path[n - 3] = '\0';
}

int target_open(const char *text, uint64_t seed, const struct tls_options *tls, struct target *out,
                struct err *e)
{
    char address[64], seed_text[24];
    *out = (struct target){.text = text, .sim = is_sim(text)};
    int rc = target_check(text, e);
    if (rc < 0)
        return rc;
    if (out->sim) {
        snprintf(seed_text, sizeof seed_text, "%llu", (unsigned long long)seed);
        rc = child_start(text + 4, seed_text, &out->child, e);
        if (rc < 0)
            return rc;
        snprintf(address, sizeof address, "http://127.0.0.1:%d", out->child.port);
    }
    rc = endpoint_open(slice_of(out->sim ? address : text), tls, &out->endpoint, e);
    if (rc < 0) {
        child_stop(&out->child);
        return rc;
    }
    drop_v1(&out->endpoint.url);
    out->open = true;
    return OK;
}

void target_close(struct target *t)
{
    if (t->open)
        endpoint_close(&t->endpoint);
    child_stop(&t->child);
    t->open = false;
}
