#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net/resolve.h"

static struct url url(const char *host, uint16_t port)
{
    struct url u = {.port = port, .is_unix = host[0] == '/'};
    snprintf(u.host, sizeof u.host, "%s", host);
    return u;
}

static void literal_addresses_are_taken_as_they_are(void **state)
{
    (void)state;
    static const struct {
        const char *host, *text;
        int family;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1:8000", AF_INET},
        {"::1", "[::1]:8000", AF_INET6},
        {"2001:DB8::7", "[2001:db8::7]:8000", AF_INET6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct addresses found;
        struct url u = url(cases[i].host, 8000);
        assert_int_equal(resolve_url(&u, &found, NULL), OK);
        assert_int_equal(found.n, 1);
        assert_string_equal(found.list[0].text, cases[i].text);
        assert_int_equal(found.list[0].storage.ss_family, cases[i].family);
    }
}

static void a_socket_path_is_an_address_unless_it_is_too_long(void **state)
{
    (void)state;
    struct addresses found;
    struct err e;
    struct url u = url("/run/engine.sock", 0);
    assert_int_equal(resolve_url(&u, &found, &e), OK);
    assert_string_equal(found.list[0].text, "/run/engine.sock");
    memset(u.host + 1, 'x', 150);
    assert_int_equal(resolve_url(&u, &found, &e), ERR_NET);
    assert_non_null(strstr(e.text, "107 characters"));
}

static void localhost_gives_each_address_once(void **state)
{
    (void)state;
    struct addresses found;
    struct addrinfo *known;
    struct url u = url("localhost", 80);
    if (getaddrinfo("localhost", NULL, NULL, &known) != 0)
        skip(); /* a root without /etc/hosts */
    freeaddrinfo(known);
    assert_int_equal(resolve_url(&u, &found, NULL), OK);
    assert_true(found.n >= 1);
    for (size_t i = 0; i < found.n; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(found.list[i].text, found.list[j].text);
}

static void an_unknown_name_is_told_with_the_name(void **state)
{
    (void)state;
    struct addresses found;
    struct err e;
    struct url u = url("no-such-host.invalid", 80);
    assert_int_equal(resolve_url(&u, &found, &e), ERR_NET);
    assert_int_equal(found.n, 0);
    assert_non_null(strstr(e.text, "cannot find the address of 'no-such-host.invalid'"));
    assert_non_null(strstr(e.text, "spelled right"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literal_addresses_are_taken_as_they_are),
        cmocka_unit_test(a_socket_path_is_an_address_unless_it_is_too_long),
        cmocka_unit_test(localhost_gives_each_address_once),
        cmocka_unit_test(an_unknown_name_is_told_with_the_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
