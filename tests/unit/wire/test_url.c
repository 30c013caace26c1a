#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/url.h"

static void assert_url(const char *text, bool tls, const char *host, int port, const char *path,
                       const char *host_header)
{
    struct url u;
    struct err e = {0};
    char header[300];
    if (url_parse(slice_of(text), &u, &e) != OK)
        fail_msg("%s", e.text);
    assert_int_equal(u.tls, tls);
    assert_int_equal(u.is_unix, port == 0);
    assert_string_equal(u.host, host);
    assert_int_equal(u.port, port);
    assert_string_equal(u.path, path);
    assert_string_equal(url_host_header(&u, header, sizeof header), host_header);
}

static void http_urls_name_host_port_and_path(void **state)
{
    (void)state;
    assert_url("http://localhost:8000", false, "localhost", 8000, "", "localhost:8000");
    assert_url("http://localhost", false, "localhost", 80, "", "localhost");
    assert_url("http://localhost:80/", false, "localhost", 80, "", "localhost");
    assert_url("https://api.example.com/v1/", true, "api.example.com", 443, "/v1",
               "api.example.com");
    assert_url("https://h:80//a//", true, "h", 80, "//a", "h:80");
    assert_url("http://h:443", false, "h", 443, "", "h:443");
    assert_url("HTTP://my_host-1.x:65535/a%20b", false, "my_host-1.x", 65535, "/a%20b",
               "my_host-1.x:65535");
    assert_url("http://127.0.0.1:1/", false, "127.0.0.1", 1, "", "127.0.0.1:1");
}

static void a_query_is_part_of_the_path(void **state)
{
    (void)state;
    assert_url("http://h/metrics?a=/", false, "h", 80, "/metrics?a=/", "h");
    assert_url("http://h?a=b", false, "h", 80, "/?a=b", "h");
}

static void ipv6_hosts_stand_in_brackets_and_are_stored_without(void **state)
{
    (void)state;
    assert_url("http://[::1]:8000/v1", false, "::1", 8000, "/v1", "[::1]:8000");
    assert_url("https://[2001:db8::1]", true, "2001:db8::1", 443, "", "[2001:db8::1]");
    assert_url("http://[fe80::1%25eth0]:80", false, "fe80::1%eth0", 80, "", "[fe80::1]");
    assert_url("http://[fe80::1%eth0]:81", false, "fe80::1%eth0", 81, "", "[fe80::1]:81");
    assert_url("http://[::ffff:1.2.3.4]", false, "::ffff:1.2.3.4", 80, "", "[::ffff:1.2.3.4]");
}

static void unix_urls_name_a_socket_and_perhaps_a_path(void **state)
{
    (void)state;
    assert_url("unix:/run/llm.sock", false, "/run/llm.sock", 0, "", "localhost");
    assert_url("unix:/run/llm.sock:/v1/", false, "/run/llm.sock", 0, "/v1", "localhost");
    assert_url("unix:///run/llm.sock", false, "/run/llm.sock", 0, "", "localhost");
    assert_url("unix:/run/a b.sock", false, "/run/a b.sock", 0, "", "localhost");
}

static void texts_that_are_no_url_are_refused_and_the_form_is_shown(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "localhost:8000",
        "ftp://h",
        "http:/h",
        "http://",
        "http:///path",
        "http://:80",
        "http://h:",
        "http://h:0",
        "http://h:65536",
        "http://h:123456",
        "http://h:8x",
        "http://h:-1",
        "http://user@h",
        "http://user:pass@h/",
        "http://h#top",
        "http://h/a#b",
        "http://h/a b",
        "http://h/\x01",
        "http://h/\xc3\xa9",
        "http://h h/",
        "http://h\\x",
        "http://h,i",
        "http://[::1",
        "http://[::1]8000",
        "http://[]",
        "http://[localhost]",
        "http://[::1%]",
        "http://[::1%25]",
        "http://::1/",
        "http://[1:2:3]",
        "unix:",
        "unix:relative.sock",
        "unix://run/x.sock",
        "unix:/a\nb",
        " http://h",
        "http://h ",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct url u = {.port = 7};
        struct err e = {0};
        if (url_parse(slice_of(bad[i]), &u, &e) != ERR_USAGE)
            fail_msg("accepted: %s", bad[i]);
        assert_non_null(strstr(e.text, "http://host:port"));
        assert_int_equal(u.port, 7);
    }
    struct url u;
    assert_int_equal(url_parse(slice_make("http://a\0b/", 11), &u, NULL), ERR_USAGE);
    assert_int_equal(url_parse(slice_make(NULL, 0), &u, NULL), ERR_USAGE);
}

static void a_password_in_a_url_is_not_repeated(void **state)
{
    (void)state;
    static const char *const bad[] = {"http://user:hush@h/", "http://user:hu@sh@h/", "user:hush@h"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct url u;
        struct err e = {0};
        assert_int_equal(url_parse(slice_of(bad[i]), &u, &e), ERR_USAGE);
        assert_null(strstr(e.text, "user:"));
        assert_null(strstr(e.text, "hu"));
    }
}

static void assert_length_limit(const char *before, const char *after, size_t longest)
{
    char text[2000];
    struct url u;
    for (size_t n = longest; n <= longest + 1; n++) {
        size_t front = strlen(before), back = strlen(after);
        memcpy(text, before, front);
        memset(text + front, 'x', n);
        memcpy(text + front + n, after, back);
        int rc = url_parse(slice_make(text, front + n + back), &u, NULL);
        assert_int_equal(rc, n == longest ? OK : ERR_USAGE);
    }
}

static void parts_longer_than_their_place_are_refused(void **state)
{
    (void)state;
    assert_length_limit("http://", "/", sizeof((struct url *)0)->host - 1);
    assert_length_limit("http://h/", "", sizeof((struct url *)0)->path - 2);
    assert_length_limit("http://h?", "", sizeof((struct url *)0)->path - 3);
    assert_length_limit("unix:/", "", 106); /* sun_path holds 107 bytes and a NUL */
    assert_length_limit("http://[fe80::1%", "]", sizeof((struct url *)0)->host - 9);
}

static void refused_user_info_is_told_where_it_belongs(void **state)
{
    (void)state;
    struct url u;
    struct err e;
    assert_int_equal(url_parse(slice_of("http://me@h/"), &u, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "--api-key"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_in_a_url_is_not_repeated),
        cmocka_unit_test(http_urls_name_host_port_and_path),
        cmocka_unit_test(a_query_is_part_of_the_path),
        cmocka_unit_test(ipv6_hosts_stand_in_brackets_and_are_stored_without),
        cmocka_unit_test(unix_urls_name_a_socket_and_perhaps_a_path),
        cmocka_unit_test(texts_that_are_no_url_are_refused_and_the_form_is_shown),
        cmocka_unit_test(parts_longer_than_their_place_are_refused),
        cmocka_unit_test(refused_user_info_is_told_where_it_belongs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
