#include "cli/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
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

static int start_engine(const char *spec, uint64_t seed, unsigned noise_seed, struct child *out,
                        struct err *e)
{
    char seed_text[24];
    snprintf(seed_text, sizeof seed_text, "%llu", (unsigned long long)seed);
    if (noise_seed == 0 || strstr(spec, "noise_seed="))
        return child_start(spec, seed_text, out, e);
    char *own = mem_printf("%s%cnoise_seed=%u", spec, strchr(spec, '?') ? '&' : '?', noise_seed);
    int rc = child_start(own, seed_text, out, e);
    free(own);
    return rc;
}

int target_open(const char *text, uint64_t seed, unsigned noise_seed, const struct tls_options *tls,
                struct target *out, struct err *e)
{
    char address[64];
    *out = (struct target){.text = text, .sim = is_sim(text)};
    int rc = target_check(text, e);
    if (rc < 0)
        return rc;
    if (out->sim) {
        rc = start_engine(text + 4, seed, noise_seed, &out->child, e);
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
