#include "serve/reply.h"

#include "base/json.h"

enum {
    CHUNK_SIZE_DIGITS = 8, /* room kept for them: 4 GiB */
    COUNT_MAX_DIGITS = 20,
};

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Content Too Large";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    default:
        return "Error";
    }
}

static void header(struct buf *out, const char *name, struct slice value)
{
    buf_puts(out, name);
    buf_puts(out, ": ");
    buf_put(out, value);
    buf_puts(out, "\r\n");
}

void reply_head(struct buf *out, const struct reply_head *h)
{
    buf_printf(out, "HTTP/1.1 %d %s\r\nServer: loadline-sim\r\n", h->status, reason_of(h->status));
    header(out, "Date", h->date);
    if (h->content_type)
        header(out, "Content-Type", slice_of(h->content_type));
    if (h->allow)
        header(out, "Allow", slice_of(h->allow));
    if (h->retry_after_s)
        buf_printf(out, "Retry-After: %d\r\n", h->retry_after_s);
    if (h->request_id.n)
        header(out, "X-Request-Id", h->request_id);
    if (h->chunked)
        buf_puts(out, "Transfer-Encoding: chunked\r\n");
    else if (!h->until_close)
        buf_printf(out, "Content-Length: %llu\r\n", (unsigned long long)h->length_bytes);
    if (!h->keep_alive)
        buf_puts(out, "Connection: close\r\n");
    buf_puts(out, "\r\n");
}

static const char *error_type(int status)
{
    switch (status) {
    case 404:
        return "NotFoundError";
    case 429:
        return "RateLimitError";
    case 500:
        return "InternalServerError";
    case 503:
        return "ServiceUnavailableError";
    default:
        return "BadRequestError";
    }
}

void reply_error(struct buf *out, int status, const char *message, const char *param)
{
    buf_puts(out, "{\"error\":{\"message\":");
    json_put_string(out, slice_of(message));
    buf_printf(out, ",\"type\":\"%s\",\"param\":", error_type(status));
    if (param)
        json_put_string(out, slice_of(param));
    else
        buf_puts(out, "null");
    buf_printf(out, ",\"code\":%d}}", status);
}

void reply_put_count(struct buf *out, int64_t v)
{
    char digits[COUNT_MAX_DIGITS];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    buf_append(out, digits + at, sizeof digits - at);
}

void reply_usage(struct buf *out, const struct reply_usage *u)
{
    buf_puts(out, "{\"prompt_tokens\":");
    reply_put_count(out, u->prompt_tokens);
    buf_puts(out, ",\"total_tokens\":");
    reply_put_count(out, u->prompt_tokens + u->output_tokens);
    buf_puts(out, ",\"completion_tokens\":");
    reply_put_count(out, u->output_tokens);
    buf_puts(out, ",\"prompt_tokens_details\":{\"cached_tokens\":");
    reply_put_count(out, u->cached_tokens);
    buf_puts(out, "}}");
}

static void put_common(struct buf *out, const struct reply_answer *a, const char *object)
{
    buf_printf(out, "{\"id\":\"%s\",\"object\":\"%s\",\"created\":%lld,\"model\":\"%s\",", a->id,
               object, (long long)a->created_s, a->model);
}

static const char *event_object(const struct reply_answer *a)
{
    return a->chat ? "chat.completion.chunk" : "text_completion";
}

void reply_event_front(struct buf *out, const struct reply_answer *a)
{
    buf_puts(out, "data: ");
    put_common(out, a, event_object(a));
    buf_puts(out, a->chat ? "\"choices\":[{\"index\":0,\"delta\":{\"content\":\""
                          : "\"choices\":[{\"index\":0,\"text\":\"");
}

void reply_event_back(struct buf *out, const struct reply_answer *a)
{
    buf_puts(out, a->chat ? "\"},\"logprobs\":null,\"finish_reason\":"
                          : "\",\"logprobs\":null,\"finish_reason\":");
}

void reply_role_event(struct buf *out, const struct reply_answer *a)
{
    buf_puts(out, "data: ");
    put_common(out, a, event_object(a));
    buf_puts(out, "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
                  "\"logprobs\":null,\"finish_reason\":null}]}\n\n");
}

void reply_usage_event(struct buf *out, const struct reply_answer *a, const struct reply_usage *u)
{
    buf_puts(out, "data: ");
    put_common(out, a, event_object(a));
    buf_puts(out, "\"choices\":[],\"usage\":");
    reply_usage(out, u);
    buf_puts(out, "}\n\n");
}

void reply_error_event(struct buf *out, int status, const char *message)
{
    buf_puts(out, "data: ");
    reply_error(out, status, message, NULL);
    buf_puts(out, "\n\n");
}

void reply_body(struct buf *out, const struct reply_answer *a, struct slice text,
                const char *finish_reason, const struct reply_usage *u)
{
    put_common(out, a, a->chat ? "chat.completion" : "text_completion");
    buf_puts(out, a->chat
                      ? "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
                      : "\"choices\":[{\"index\":0,\"text\":");
    json_put_string(out, text);
    buf_printf(out,
               "%s,\"logprobs\":null,\"finish_reason\":\"%s\"}],\"usage\":", a->chat ? "}" : "",
               finish_reason);
    reply_usage(out, u);
    buf_puts(out, "}");
}

size_t reply_chunk_begin(struct buf *out)
{
    size_t begin = out->n;
    buf_append(out, "00000000\r\n", CHUNK_SIZE_DIGITS + 2);
    return begin;
}

size_t reply_chunk_end(struct buf *out, size_t begin)
{
    size_t size = out->n - begin - CHUNK_SIZE_DIGITS - 2;
    size_t first = begin + CHUNK_SIZE_DIGITS;
    for (; size > 0; size >>= 4)
        out->p[--first] = "0123456789abcdef"[size & 15];
    buf_append(out, "\r\n", 2);
    return first;
}
