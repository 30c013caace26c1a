#include "drive/host.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/json.h"

/* First line of a small file that begins with `key` (NULL: any), its value behind ':' if there is
 * one. */
static struct slice read_line(const char *path, const char *key, char *line, size_t room)
{
    FILE *f = fopen(path, "re");
    struct slice value = {0};
    while (f && fgets(line, (int)room, f)) {
        if (key && strncmp(line, key, strlen(key)) != 0)
            continue;
        char *colon = key ? strchr(line, ':') : NULL;
        value = slice_trim(slice_of(colon ? colon + 1 : line));
        break;
    }
    if (f)
        fclose(f);
    return value;
}

void host_describe(struct buf *out)
{
    char line[512];
    struct utsname u;
    buf_puts(out, "{\"cpu\":");
    json_put_string(out, read_line("/proc/cpuinfo", "model name", line, sizeof line));
    buf_printf(out, ",\"cores\":%ld,\"kernel\":", sysconf(_SC_NPROCESSORS_ONLN));
    json_put_string(out, uname(&u) == 0 ? slice_of(u.release) : slice_of(""));
    buf_puts(out, ",\"governor\":");
    json_put_string(out, read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", NULL,
                                   line, sizeof line));
    buf_puts(out, "}");
}

struct host_cpu host_cpu_now(void)
{
    /* cpu user nice system idle iowait irq softirq steal guest guest_nice; guest is part of user */
    enum { FIELDS = 8, STEAL = 7 };
    char line[512];
    struct host_cpu h = {0};
    struct slice s = read_line("/proc/stat", NULL, line, sizeof line);
    if (!slice_starts(s, "cpu "))
        return h;
    const char *p = line + 4;
    for (int i = 0; i < FIELDS; i++) {
        uint64_t v = 0;
        while (*p == ' ')
            p++;
        while (isdigit((unsigned char)*p))
            v = v * 10 + (uint64_t)(*p++ - '0');
        h.total += v;
        if (i == STEAL)
            h.steal = v;
    }
    return h;
}

double host_steal_fraction(struct host_cpu before, struct host_cpu after)
{
    if (after.total <= before.total)
        return -1;
    if (after.steal < before.steal) /* the kernel has let it fall back after a migration */
        return 0;
    return (double)(after.steal - before.steal) / (double)(after.total - before.total);
}
