/* Whatever bytes a server sends in place of a TLS handshake, in whatever pieces: the client's side
 * must end in "more", "done" or an error with a sentence, and ask for nothing beyond its bounds.
 * The first byte says how large the pieces are. */

#include <stdint.h>
#include <stdlib.h>

#include "net/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_context *context(void)
{
    static struct tls_context *shared;
    const struct tls_options o = {.insecure = true};
    if (!shared && tls_client_context(&o, &shared, NULL) < 0)
        abort();
    return shared;
}

static void receive(struct tls *t, struct buf *send)
{
    char plain[512];
    bool closed = false;
    struct err e = {0};
    long n;
    while (!closed && (n = tls_read(t, plain, sizeof plain, &closed, send, &e)) > 0)
        ;
    if (!closed && n < 0 && e.text[0] == '\0')
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t piece = (size_t)data[0] + 1;
    struct buf send;
    struct err e = {0};
    buf_init(&send, 1 << 20);
    struct tls *t = tls_new(context(), "server.test");
    int rc = tls_handshake(t, &send, &e);
    for (size_t at = 1; at < size && rc == 0; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        tls_feed(t, slice_make((const char *)data + at, n));
        rc = tls_handshake(t, &send, &e);
    }
    if (rc == 1)
        receive(t, &send);
    if (rc < 0 && e.text[0] == '\0')
        abort();
    tls_free(t);
    buf_release(&send);
    return 0;
}
