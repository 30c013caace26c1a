#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/exchanger.h"
#include "net/sock.h"
#include "support.h"

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void serve_ok(struct peer *p)
{
    while (peer_request(p, NULL))
        peer_send(p, ANSWER);
}

static void serve_one_each(struct peer *p)
{
    if (peer_request(p, NULL))
        peer_send(p, ANSWER);
}

/* An address where nobody listens and nobody else can: a bound socket. */
static int refusing_address(struct address *a)
{
    struct url u = {.host = "127.0.0.1"};
    struct addresses found;
    resolve_url(&u, &found, NULL);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&found.list[0].storage, found.list[0].size), 0);
    assert_true(sock_local_address(fd, a));
    return fd;
}

struct scene {
    struct server server;
    struct rig rig;
    struct client client;
};

static bool scene_open_at(struct scene *s, const char *where, void (*serve)(struct peer *p),
                          const struct exchanger_options *o)
{
    char url[160];
    *s = (struct scene){0};
    if (!server_start(&s->server, where, serve))
        return false;
    rig_open(&s->rig, server_url(&s->server, NULL, url), NULL, o);
    client_init(&s->client, &s->rig, "");
    return true;
}

static void scene_open(struct scene *s, void (*serve)(struct peer *p),
                       const struct exchanger_options *o)
{
    assert_true(scene_open_at(s, "127.0.0.1", serve, o));
}

static void scene_close(struct scene *s)
{
    client_release(&s->client);
    rig_close(&s->rig);
    server_stop(&s->server);
}

static void run_again(struct scene *s, enum exchange_outcome expected)
{
    s->client.ends = 0;
    client_run(&s->client, &s->rig);
    if (s->client.outcome != expected)
        fail_msg("outcome %d: %s", s->client.outcome, s->client.why.text);
}

static void connections_are_kept_and_used_again(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, serve_ok, NULL);
    for (int i = 0; i < 5; i++) {
        run_again(&s, EXCHANGE_OK);
        assert_int_equal(s.client.x.reused, i > 0);
        assert_int_equal(s.client.x.opened, i == 0);
        assert_int_equal(s.client.x.times.connect_ns > 0, i == 0);
    }
    assert_int_equal(s.server.accepted, 1);
    scene_close(&s);
}

static void no_reuse_opens_one_for_each(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, serve_ok, &(struct exchanger_options){.no_reuse = true});
    for (int i = 0; i < 3; i++)
        run_again(&s, EXCHANGE_OK);
    assert_int_equal(s.server.accepted, 3);
    scene_close(&s);
}

static void an_idle_connection_the_server_closes_is_dropped(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, serve_one_each, NULL);
    for (int i = 0; i < 3; i++) {
        run_again(&s, EXCHANGE_OK);
        while (s.rig.xr->idle.head)
            exchanger_run(s.rig.xr, clock_mono_ns() + NS_PER_MS, -1);
        assert_int_equal(s.client.x.resends, 0);
    }
    assert_int_equal(s.server.accepted, 3);
    scene_close(&s);
}

static void idle_connections_are_retired_in_time(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, serve_ok, &(struct exchanger_options){.idle_retire_ns = NS_PER_MS});
    run_again(&s, EXCHANGE_OK);
    usleep(2000);
    run_again(&s, EXCHANGE_OK); /* not on the old one, though no loop ran in between */
    assert_int_equal(s.server.accepted, 2);
    exchanger_run(s.rig.xr, clock_mono_ns() + 5 * NS_PER_MS, -1);
    assert_int_equal(exchanger_stats(s.rig.xr)->connections_retired, 2);
    scene_close(&s);
}

/* Answers the first request of the first connection; then closes on a request without an answer. */
static void serve_close_on_second(struct peer *p)
{
    if (p->number == 0) {
        if (peer_request(p, NULL))
            peer_send(p, ANSWER);
        peer_request(p, NULL);
        return;
    }
    if (p->server->context)
        serve_ok(p);
    else
        peer_request(p, NULL);
}

static void a_request_lost_on_a_kept_connection_is_sent_again_once(void **state)
{
    (void)state;
    for (int answered = 0; answered < 2; answered++) {
        struct scene s;
        scene_open(&s, serve_close_on_second, NULL);
        s.server.context = answered ? "yes" : NULL;
        run_again(&s, EXCHANGE_OK);
        s.client.x.deadline_ns = clock_mono_ns() + 20 * NS_PER_S;
        run_again(&s, answered ? EXCHANGE_OK : EXCHANGE_RESET);
        const struct exchange *x = &s.client.x;
        assert_int_equal(x->resends, 1);
        assert_true(x->opened && !x->reused);
        assert_true(x->times.sent_ns >= x->times.started_ns);
        assert_true(x->times.sent_ns + x->times.connect_ns < x->times.end_ns);
        assert_int_equal(s.server.accepted, 2);
        assert_int_equal(exchanger_stats(s.rig.xr)->resends, 1);
        scene_close(&s);
    }
}

static void serve_extra(struct peer *p)
{
    while (peer_request(p, NULL))
        peer_send(p, ANSWER "HTTP/1.1 500 Unasked\r\n\r\n");
}

static void serve_connection_close(struct peer *p)
{
    while (peer_request(p, NULL))
        peer_send(p, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
}

static void a_connection_with_bytes_behind_or_told_to_close_is_not_kept(void **state)
{
    (void)state;
    void (*const serves[])(struct peer *) = {serve_extra, serve_connection_close};
    for (size_t i = 0; i < 2; i++) {
        struct scene s;
        scene_open(&s, serves[i], NULL);
        run_again(&s, EXCHANGE_OK);
        assert_null(s.rig.xr->idle.head);
        run_again(&s, EXCHANGE_OK);
        assert_int_equal(s.server.accepted, 2);
        scene_close(&s);
    }
}

static void a_refused_connection_names_the_address(void **state)
{
    (void)state;
    struct address a;
    struct rig r;
    struct client c;
    char url[160];
    int fd = refusing_address(&a);
    snprintf(url, sizeof url, "http://%s", a.text);
    rig_open(&r, url, NULL, NULL);
    client_init(&c, &r, "");
    client_run(&c, &r);
    assert_int_equal(c.outcome, EXCHANGE_CONNECT_FAILED);
    assert_true(client_said(&c, a.text));
    assert_true(client_said(&c, "connection refused; is the server running there?"));
    rig_close(&r);
    close(fd);
    rig_open(&r, "unix:/nonexistent/engine.sock", NULL, NULL);
    client_init(&c, &r, "");
    client_run(&c, &r);
    assert_int_equal(c.outcome, EXCHANGE_CONNECT_FAILED);
    assert_true(client_said(&c, "/nonexistent/engine.sock: there is no such socket"));
    rig_close(&r);
}

static void when_one_address_refuses_another_serves(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, serve_ok, &(struct exchanger_options){.no_reuse = true});
    s.rig.ep.addresses.list[1] = s.rig.ep.addresses.list[0];
    int fd = refusing_address(&s.rig.ep.addresses.list[0]);
    s.rig.ep.addresses.n = 2;
    for (int i = 0; i < 6; i++)
        run_again(&s, EXCHANGE_OK);
    assert_int_equal(s.server.accepted, 6);
    assert_int_equal(s.rig.xr->refused, 1); /* and is not asked again while the other serves */
    close(fd);
    scene_close(&s);
}

static void several_addresses_are_used_in_turn(void **state)
{
    (void)state;
    struct scene s, other;
    scene_open(&s, serve_ok, &(struct exchanger_options){.no_reuse = true});
    scene_open(&other, serve_ok, NULL);
    s.rig.ep.addresses.list[1] = other.rig.ep.addresses.list[0];
    s.rig.ep.addresses.n = 2;
    for (int i = 0; i < 6; i++)
        run_again(&s, EXCHANGE_OK);
    assert_int_equal(s.server.accepted, 3);
    assert_int_equal(other.server.accepted, 3);
    scene_close(&other);
    scene_close(&s);
}

static void unix_sockets_serve_with_stamps_of_our_own(void **state)
{
    (void)state;
    struct scratch files;
    struct scene s;
    char path[128];
    scratch_make(&files);
    assert_true(scene_open_at(&s, scratch_path(&files, "s.sock", path), serve_ok, NULL));
    for (int i = 0; i < 3; i++)
        run_again(&s, EXCHANGE_OK);
    assert_int_equal(s.client.x.rtt_us, 0);
    assert_false(s.client.stamps[0].kernel);
    assert_int_equal(s.client.stamps[0].at_ns, s.client.stamps[0].read_ns);
    assert_int_equal(exchanger_stats(s.rig.xr)->stamped_reads, 0);
    scene_close(&s);
    scratch_remove(&files);
}

static void a_full_unix_backlog_is_waited_out(void **state)
{
    (void)state;
    enum { N = 6 };
    struct scratch files;
    struct server server = {0};
    struct rig r;
    struct client clients[N];
    char path[128], url[160];
    scratch_make(&files);
    assert_true(server_listen(&server, scratch_path(&files, "s.sock", path), serve_ok));
    assert_int_equal(listen(server.listener, 0), 0); /* shrinks the backlog to one */
    rig_open(&r, server_url(&server, NULL, url), NULL, NULL);
    for (int i = 0; i < N; i++) {
        client_init(&clients[i], &r, "");
        client_start(&clients[i], &r);
    }
    assert_non_null(r.xr->later.head);
    exchanger_run(r.xr, clock_mono_ns() + 3 * NS_PER_MS, -1);
    server_go(&server);
    for (int i = 0; i < N; i++) {
        client_wait(&clients[i], &r);
        assert_int_equal(clients[i].outcome, EXCHANGE_OK);
        client_release(&clients[i]);
    }
    rig_close(&r);
    server_stop(&server);
    scratch_remove(&files);
}

static void ipv6_serves(void **state)
{
    (void)state;
    struct scene s;
    if (!scene_open_at(&s, "::1", serve_ok, NULL)) {
        print_message("no ::1 here\n");
        skip();
    }
    run_again(&s, EXCHANGE_OK);
    assert_int_equal(s.client.stamps[0].kernel, s.rig.xr->clock.stamping);
    scene_close(&s);
}

static void preconnecting_opens_what_the_start_then_uses(void **state)
{
    (void)state;
    struct scene s;
    struct err e = {0};
    scene_open(&s, serve_ok, NULL);
    assert_int_equal(exchanger_preconnect(s.rig.xr, 8, clock_mono_ns() + 20 * NS_PER_S, &e), OK);
    assert_int_equal(exchanger_stats(s.rig.xr)->connections_opened, 8);
    run_again(&s, EXCHANGE_OK);
    assert_false(s.client.x.opened || s.client.x.reused);
    assert_int_equal(exchanger_stats(s.rig.xr)->connections_opened, 8);
    scene_close(&s);
}

static void preconnecting_in_vain_gives_the_reason(void **state)
{
    (void)state;
    struct address a;
    struct rig r;
    struct err e = {0};
    char url[160];
    int fd = refusing_address(&a);
    snprintf(url, sizeof url, "http://%s", a.text);
    rig_open(&r, url, NULL, NULL);
    assert_int_equal(exchanger_preconnect(r.xr, 3, clock_mono_ns() + 20 * NS_PER_S, &e), ERR_NET);
    assert_non_null(strstr(e.text, "connection refused"));
    assert_int_equal(exchanger_preconnect(r.xr, 0, clock_mono_ns(), &e), OK);
    rig_close(&r);
    close(fd);
}

/* In a child, so that the limit is nobody else's. */
static int start_without_descriptors(const char *url)
{
    struct rig r;
    struct client c;
    rig_open(&r, url, NULL, NULL);
    client_init(&c, &r, "");
    int next = dup(0);
    close(next);
    struct rlimit limit = {.rlim_cur = (rlim_t)next, .rlim_max = (rlim_t)next};
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 3;
    client_run(&c, &r);
    bool told = c.outcome == EXCHANGE_NO_DESCRIPTOR && strstr(c.why.text, "ulimit -n") &&
                c.x.times.sent_ns == 0;
    rig_close(&r);
    return told ? 0 : 4;
}

static void without_descriptors_an_exchange_is_never_sent(void **state)
{
    (void)state;
    struct address a;
    char url[160];
    int status;
    int fd = refusing_address(&a);
    snprintf(url, sizeof url, "http://%s", a.text);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(start_without_descriptors(url));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(fd);
}

enum { MANY = 200 };

/* Answers when all have come, so that all are in flight at once. */
static void serve_when_all_are_here(struct peer *p)
{
    peer_request(p, NULL);
    while (p->server->accepted < MANY && !p->server->stopping)
        usleep(500);
    peer_send(p, ANSWER);
    peer_hold(p);
}

static void many_exchanges_are_in_flight_at_once(void **state)
{
    (void)state;
    struct scene s;
    struct client *clients = MEM_ARRAY(struct client, MANY);
    scene_open(&s, serve_when_all_are_here, NULL);
    for (int i = 0; i < MANY; i++) {
        client_init(&clients[i], &s.rig, "question");
        clients[i].x.deadline_ns = clock_mono_ns() + 60 * NS_PER_S - i * NS_PER_MS;
        client_start(&clients[i], &s.rig);
    }
    assert_int_equal(exchanger_in_flight(s.rig.xr), MANY);
    for (int i = 0; i < MANY; i++) {
        client_wait(&clients[i], &s.rig);
        assert_int_equal(clients[i].outcome, EXCHANGE_OK);
        client_release(&clients[i]);
    }
    assert_int_equal(exchanger_in_flight(s.rig.xr), 0);
    free(clients);
    scene_close(&s);
}

struct worker {
    struct endpoint *ep;
    int completed;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    struct rig r = {.ep = *w->ep};
    struct client c;
    if (exchanger_new(w->ep, NULL, &r.xr, NULL) < 0)
        return NULL;
    r.post = route_new(w->ep, "POST", "/", NULL, 0);
    for (int i = 0; i < 50; i++) {
        client_init(&c, &r, "x");
        client_run(&c, &r);
        w->completed += c.outcome == EXCHANGE_OK;
        client_release(&c);
    }
    exchanger_free(r.xr);
    route_free(r.post);
    return NULL;
}

static void two_threads_with_an_exchanger_each_share_an_endpoint(void **state)
{
    (void)state;
    struct scene s;
    pthread_t threads[2];
    struct worker workers[2];
    scene_open(&s, serve_ok, NULL);
    for (int i = 0; i < 2; i++) {
        workers[i] = (struct worker){.ep = &s.rig.ep};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].completed, 50);
    }
    scene_close(&s);
}

static void running_lasts_until_the_due_time_and_no_wait_means_one_look(void **state)
{
    (void)state;
    struct scene s;
    enum { TRIES = 200 }; /* a busy machine may wake us too late to spin, but not every time */
    bool slept_then_spun = false;
    scene_open(&s, serve_ok, NULL);
    for (int i = 0; i < TRIES && !slept_then_spun; i++) {
        struct exchanger_stats before = *exchanger_stats(s.rig.xr);
        int64_t due = clock_mono_ns() + 3 * NS_PER_MS;
        exchanger_run(s.rig.xr, due, -1);
        assert_true(clock_mono_ns() >= due);
        const struct exchanger_stats *after = exchanger_stats(s.rig.xr);
        int64_t slept = after->wait_ns - before.wait_ns, spun = after->spin_ns - before.spin_ns;
        slept_then_spun = slept > 0 && spun > 0 && slept + spun >= 2 * NS_PER_MS;
    }
    assert_true(slept_then_spun);
    exchanger_run(s.rig.xr, 0, -1); /* returns though nothing happens */
    scene_close(&s);
}

static void a_wake_up_ends_an_endless_run(void **state)
{
    (void)state;
    struct scene s;
    int wake[2];
    scene_open(&s, serve_ok, NULL);
    assert_int_equal(pipe(wake), 0);
    assert_int_equal(write(wake[1], "x", 1), 1);
    exchanger_run(s.rig.xr, INT64_MAX, wake[0]);
    exchanger_run(s.rig.xr, INT64_MAX, wake[0]);
    exchanger_run(s.rig.xr, 0, -1);
    assert_int_equal(s.rig.xr->wake_fd, -1);
    close(wake[0]);
    close(wake[1]);
    scene_close(&s);
}

struct chain {
    struct exchanger *xr;
    int left;
};

static void start_the_next(struct exchange *x, enum exchange_outcome outcome, const struct err *why)
{
    (void)why;
    struct chain *chain = x->owner;
    assert_int_equal(outcome, EXCHANGE_CONNECT_FAILED);
    if (--chain->left > 0)
        exchange_start(chain->xr, x);
}

static void a_long_chain_of_failures_does_not_pile_up(void **state)
{
    (void)state;
    const struct exchange_handler handler = {.end = start_the_next};
    struct rig r;
    rig_open(&r, "unix:/nonexistent/engine.sock", NULL, NULL);
    struct chain chain = {.xr = r.xr, .left = 100000};
    struct exchange x = {.route = r.post, .handler = &handler, .owner = &chain};
    exchange_start(r.xr, &x);
    assert_int_equal(chain.left, 100000); /* start itself never calls back */
    while (chain.left > 0)
        exchanger_run(r.xr, INT64_MAX, -1);
    rig_close(&r);
}

static void freeing_cancels_what_is_in_flight(void **state)
{
    (void)state;
    struct scene s;
    struct client other;
    scene_open(&s, peer_hold, NULL);
    client_init(&other, &s.rig, "");
    client_start(&s.client, &s.rig);
    client_start(&other, &s.rig);
    exchanger_run(s.rig.xr, clock_mono_ns() + NS_PER_MS, -1);
    exchanger_free(s.rig.xr);
    s.rig.xr = NULL;
    assert_true(s.client.done && other.done);
    assert_int_equal(s.client.outcome, EXCHANGE_CANCELLED);
    assert_int_equal(other.outcome, EXCHANGE_CANCELLED);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_kept_and_used_again),
        cmocka_unit_test(no_reuse_opens_one_for_each),
        cmocka_unit_test(an_idle_connection_the_server_closes_is_dropped),
        cmocka_unit_test(idle_connections_are_retired_in_time),
        cmocka_unit_test(a_request_lost_on_a_kept_connection_is_sent_again_once),
        cmocka_unit_test(a_connection_with_bytes_behind_or_told_to_close_is_not_kept),
        cmocka_unit_test(a_refused_connection_names_the_address),
        cmocka_unit_test(when_one_address_refuses_another_serves),
        cmocka_unit_test(several_addresses_are_used_in_turn),
        cmocka_unit_test(unix_sockets_serve_with_stamps_of_our_own),
        cmocka_unit_test(a_full_unix_backlog_is_waited_out),
        cmocka_unit_test(ipv6_serves),
        cmocka_unit_test(preconnecting_opens_what_the_start_then_uses),
        cmocka_unit_test(preconnecting_in_vain_gives_the_reason),
        cmocka_unit_test(without_descriptors_an_exchange_is_never_sent),
        cmocka_unit_test(many_exchanges_are_in_flight_at_once),
        cmocka_unit_test(two_threads_with_an_exchanger_each_share_an_endpoint),
        cmocka_unit_test(running_lasts_until_the_due_time_and_no_wait_means_one_look),
        cmocka_unit_test(a_wake_up_ends_an_endless_run),
        cmocka_unit_test(a_long_chain_of_failures_does_not_pile_up),
        cmocka_unit_test(freeing_cancels_what_is_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
