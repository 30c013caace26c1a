#include "net/stampclock.h"

#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net/sock.h"

static const int64_t FIRST_STAMP_LIMIT_NS = NS_PER_S;
static const int64_t SENTINEL_PAUSE_NS = 200 * NS_PER_US;
static const int64_t REFINE_EVERY_NS = NS_PER_S;

/* A stamp this far outside the possible interval is taken for a clock step until the detector
 * denies it. Well above the bridge's error (under a microsecond), well below what matters for a
 * latency. */
static const int64_t SUSPICIOUS_NS = NS_PER_MS;

/* A thread can be kept off its core between the kernel's look at its sockets and the return of the
 * wait, so a stamp may truly precede the bound; beyond this it is not believed. */
static const int64_t BELIEVABLE_NS = NS_PER_S;

static bool loopback_pair(int pair[2])
{
    struct address at = {.size = sizeof(struct sockaddr_in)};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&at.storage;
    v4->sin_family = AF_INET;
    v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = sock_listen(&at, NULL);
    if (listener < 0)
        return false;
    bool connected;
    pair[1] = -1;
    pair[0] = sock_local_address(listener, &at) ? sock_connect(&at, true, &connected) : -1;
    struct pollfd p = {.fd = listener, .events = POLLIN};
    if (pair[0] >= 0 && poll(&p, 1, (int)(FIRST_STAMP_LIMIT_NS / NS_PER_MS)) == 1)
        pair[1] = sock_accept(listener);
    close(listener);
    if (pair[1] >= 0)
        return true;
    if (pair[0] >= 0)
        close(pair[0]);
    return false;
}

static bool stamp_came(const int pair[2])
{
    char byte = 0;
    int64_t real_ns = 0;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    sock_send(pair[1], &part, 1);
    struct pollfd p = {.fd = pair[0], .events = POLLIN};
    poll(&p, 1, 1);
    return sock_receive(pair[0], &byte, 1, &real_ns) == 1 && real_ns != 0;
}

void stampclock_init(struct stampclock *s)
{
    stampclock_init_idle(s);
    clock_bridge_init(&s->bridge);
    if (!loopback_pair(s->sentinel)) {
        s->sentinel[0] = s->sentinel[1] = -1;
        return;
    }
    int64_t limit = clock_mono_ns() + FIRST_STAMP_LIMIT_NS;
    while (!(s->stamping = stamp_came(s->sentinel)) && clock_mono_ns() < limit)
        nanosleep(&(struct timespec){.tv_nsec = SENTINEL_PAUSE_NS}, NULL);
}

void stampclock_init_idle(struct stampclock *s)
{
    *s = (struct stampclock){.bridge.step_fd = -1, .sentinel = {-1, -1}};
}

void stampclock_release(struct stampclock *s)
{
    clock_bridge_release(&s->bridge);
    for (int i = 0; i < 2; i++)
        if (s->sentinel[i] >= 0)
            close(s->sentinel[i]);
    s->sentinel[0] = s->sentinel[1] = -1;
}

/* Whether at_ns can be believed. Just outside the interval is the bridge's error; far outside, the
 * real clock was set since the last look, and which side of the step the stamp is from is unknown.
 */
static bool plausible(struct stampclock *s, const struct stamp *stamp, int64_t at_ns)
{
    if (at_ns > stamp->after_ns - SUSPICIOUS_NS && at_ns <= stamp->read_ns + SUSPICIOUS_NS)
        return true;
    if (clock_bridge_check(&s->bridge))
        return false;
    return at_ns > stamp->after_ns - BELIEVABLE_NS && at_ns <= stamp->read_ns;
}

void stampclock_apply(struct stampclock *s, int64_t real_ns, struct stamp *stamp)
{
    stamp->at_ns = stamp->read_ns;
    stamp->kernel = false;
    if (real_ns != 0 && s->stamping) {
        int64_t at_ns = clock_bridge_mono(&s->bridge, real_ns);
        if (plausible(s, stamp, at_ns)) {
            stamp->kernel = true;
            stamp->at_ns = at_ns < stamp->read_ns ? at_ns : stamp->read_ns;
        }
    }
    if (stamp->after_ns > stamp->at_ns)
        stamp->after_ns = stamp->at_ns;
}

void stampclock_refine(struct stampclock *s, int64_t now_ns)
{
    if (!s->stamping || now_ns < s->next_refine_ns)
        return;
    s->next_refine_ns = now_ns + REFINE_EVERY_NS;
    clock_bridge_check(&s->bridge);
    clock_bridge_refine(&s->bridge);
}

void stampclock_check(struct stampclock *s)
{
    clock_bridge_check(&s->bridge);
}
