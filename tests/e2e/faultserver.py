"""An OpenAI-compatible server that misbehaves on request, for tests of clients.

It speaks HTTP/1.1 on plain sockets with a thread for each connection, so that every byte and every pause is under
control; nothing of it is shared with the program under test. A fault is a function with a name:

    with FaultServer("stream-cut-in-chunk", after=3) as server:
        ... server.url ... server.generations ...

By default every generation request gets the fault. `load_only=True` leaves out those without X-Request-Id, which a client
asks while setting up; `spare=N` answers the first N of the others well, and `every=K` gives it to each K-th of the
rest only. `server.faulted` counts those that got it. `everything=True` gives a fault that needs no
generation to every other request too. Requests are logged with headers, body, connection and arrival time.

By itself:  python3 faultserver.py --list
            python3 faultserver.py --port 8000 stall after=2
"""

import inspect
import itertools
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time

MODEL = "test-model"


class Gone(Exception):
    """The client closed its end, or the server is being stopped."""


# --- requests ------------------------------------------------------------------------------------------------


class Request:
    """One request as it came."""

    def __init__(self, connection, method, target, headers, body):
        self.connection = connection
        self.at = time.monotonic()
        self.method = method
        self.target = target
        self.path = target.split("?")[0]
        self.header_lines = headers
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def chat(self):
        return self.path.endswith("/chat/completions")

    @property
    def generation(self):
        return self.method == "POST" and self.path.endswith("/completions")

    @property
    def asked(self):
        """Output tokens asked for."""
        body = self.json
        return body.get("max_completion_tokens") or body.get("max_tokens") or 16

    @property
    def streamed(self):
        return bool(self.json.get("stream"))

    @property
    def prompt_tokens(self):
        body = self.json
        if self.chat:
            text = " ".join(str(message.get("content", "")) for message in body["messages"])
            return len(text.split())
        prompt = body["prompt"]
        return len(prompt) if isinstance(prompt, list) else len(prompt.split())


class Reader:
    """Takes requests off a socket."""

    def __init__(self, sock):
        self.sock = sock
        self.held = b""

    def _more(self):
        data = self.sock.recv(1 << 16)
        if not data:
            raise Gone
        self.held += data

    def _until(self, mark):
        while mark not in self.held:
            self._more()
        head, self.held = self.held.split(mark, 1)
        return head

    def _exactly(self, n):
        parts, have = [self.held], len(self.held)
        while have < n:
            data = self.sock.recv(1 << 20)
            if not data:
                raise Gone
            parts.append(data)
            have += len(data)
        whole = b"".join(parts)
        self.held = whole[n:]
        return whole[:n]

    def request(self, connection):
        if not self.held:
            self._more()
        if not self.held[:1].isalpha():
            self.sock.sendall(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\nInvalid HTTP request received.")
            raise Gone
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in head[1:]]
        fields = {name.lower(): value for name, value in headers}
        if "chunked" in fields.get("transfer-encoding", ""):
            body = b""
            while True:
                size = int(self._until(b"\r\n"), 16)
                body += self._exactly(size)
                self._until(b"\r\n")
                if size == 0:
                    break
        else:
            body = self._exactly(int(fields.get("content-length", 0)))
        return Request(connection, method, target, headers, body)


# --- replies -------------------------------------------------------------------------------------------------


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Reply:
    """Writes one response. Framing: "chunked", "close" (the end of the connection is the end) or a length."""

    def __init__(self, server, sock, request):
        self.server = server
        self.sock = sock
        self.request = request
        self.chunked = False
        self.keep = True

    # bytes

    def raw(self, data):
        try:
            self.sock.sendall(data)
        except OSError as trouble:
            raise Gone from trouble

    def pause(self, seconds):
        if self.server.stopping.wait(seconds):
            raise Gone

    def hang(self):
        """Says nothing more until the client gives up or the test is over."""
        self.keep = False
        self.sock.settimeout(0.05)
        while not self.server.stopping.is_set():
            try:
                if not self.sock.recv(4096):
                    break
            except (socket.timeout, ssl.SSLWantReadError):
                continue
            except OSError:
                break
        raise Gone

    def reset(self):
        """Ends the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.keep = False
        raise Gone

    def end(self):
        """Ends the connection with FIN, whatever was promised."""
        self.keep = False
        raise Gone

    # HTTP

    def head(self, status=200, content_type="text/event-stream; charset=utf-8", framing="chunked", extra=()):
        reason = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found",
                  422: "Unprocessable Entity", 429: "Too Many Requests", 500: "Internal Server Error",
                  503: "Service Unavailable"}.get(status, "Status")
        lines = [f"HTTP/1.1 {status} {reason}", "server: faultserver", f"content-type: {content_type}"]
        if framing == "chunked":
            lines.append("transfer-encoding: chunked")
            self.chunked = True
        elif framing == "close":
            lines.append("connection: close")
            self.keep = False
        else:
            lines.append(f"content-length: {framing}")
        lines += extra
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def start(self, **options):
        self.raw(self.head(**options))

    def framed(self, data):
        return b"%x\r\n%s\r\n" % (len(data), data) if self.chunked else data

    def write(self, data):
        self.raw(self.framed(data.encode() if isinstance(data, str) else data))

    def finish(self):
        if self.chunked:
            self.raw(b"0\r\n\r\n")

    def whole(self, status, body, content_type="application/json", extra=()):
        data = body.encode() if isinstance(body, str) else compact(body).encode()
        self.raw(self.head(status, content_type, len(data), extra) + data)

    # events

    def event(self, value):
        self.write(line_of(value))

    def done(self):
        self.event("[DONE]")
        self.finish()


def line_of(value):
    text = value if isinstance(value, str) else compact(value)
    return f"data: {text}\n\n".encode()


class Script:
    """The event objects of one answer, in the shape the request's path calls for."""

    def __init__(self, request):
        self.request = request
        self.body = request.json
        self.counted = 0
        self.prompt_tokens = request.prompt_tokens
        options = self.body.get("stream_options") or {}
        self.wants_usage = bool(options.get("include_usage"))
        self.continuous = bool(options.get("continuous_usage_stats"))

    def tell(self, usage):
        """With False: no usage, whatever was asked for."""
        self.wants_usage = self.wants_usage and usage
        self.continuous = self.continuous and usage

    def envelope(self, choices):
        kind = "chat.completion.chunk" if self.request.chat else "text_completion"
        return {"id": "cmpl-1", "object": kind, "created": 1700000000, "model": self.body.get("model"),
                "choices": choices}

    def usage(self, output, cached=None):
        prompt = self.prompt_tokens
        usage = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
        if cached is not None:
            usage["prompt_tokens_details"] = {"cached_tokens": cached}
        return usage

    def chunk(self, delta, finish=None, tokens=0):
        choice = {"index": 0, "finish_reason": finish, "logprobs": None}
        if self.request.chat:
            choice["delta"] = delta
        else:
            choice["text"] = delta.get("content", "")
        event = self.envelope([choice])
        self.counted += tokens
        if self.continuous:
            event["usage"] = self.usage(self.counted)
        return event

    def role(self):
        return self.chunk({"role": "assistant", "content": ""})

    def text(self, text, tokens=1, **delta):
        return self.chunk({"content": text, **delta}, tokens=tokens)

    def last(self, reason="length"):
        return self.chunk({}, finish=reason)

    def totals(self, output, cached=None):
        return {**self.envelope([]), "usage": self.usage(output, cached)}


def word(i):
    return f" w{i}"


# --- faults --------------------------------------------------------------------------------------------------

FAULTS = {}


def fault(name):
    """Registers a function (reply, script, **parameters) under a name; its docstring says what it plays."""

    def register(function):
        FAULTS[name] = function
        return function

    return register


def speak(reply, script, n=None, first=0.002, gap=0.001, cached=None, per_event=1):
    """The body of a well-behaved stream, without its beginning and end."""
    n = script.request.asked if n is None else n
    reply.pause(first)
    if script.request.chat:
        reply.event(script.role())
    for i in range(0, n, per_event):
        if i:
            reply.pause(gap)
        tokens = min(per_event, n - i)
        reply.event(script.text("".join(word(i + k) for k in range(tokens)), tokens=tokens))
    reply.event(script.last())
    if script.wants_usage:
        reply.event(script.totals(n, cached))


@fault("good")
def good(reply, script, **how):
    """No fault: role chunk, tokens, finish reason, usage when asked for, [DONE]."""
    if not script.request.streamed:
        not_streaming(reply, script)
        return
    reply.start()
    speak(reply, script, **how)
    reply.done()


@fault("role-first")
def role_first(reply, script, wait=0.06, **how):
    """A chunk with only a role at once, the first token `wait` seconds later."""
    reply.start()
    reply.event(script.role())
    reply.pause(wait)
    speak(reply, script, **how)
    reply.done()


@fault("reasoning")
def reasoning(reply, script, field="reasoning_content", wait=0.06, usage=True):
    """Half of the tokens as reasoning under `field`, a pause, then the answer."""
    n = script.request.asked
    script.tell(usage)
    reply.start()
    reply.event(script.role())
    for i in range(n // 2):
        reply.event(script.chunk({field: word(i)}, tokens=1))
        reply.pause(0.001)
    reply.pause(wait)
    for i in range(n // 2, n):
        reply.event(script.text(word(i)))
        reply.pause(0.001)
    reply.event(script.last("stop"))
    if script.wants_usage:
        reply.event(script.totals(n))
    reply.done()


@fault("tool-calls")
def tool_calls(reply, script):
    """Every token a piece of a tool call; no content at all."""
    n = script.request.asked
    reply.start()
    reply.event(script.role())
    for i in range(n):
        call = {"index": 0, "function": {"arguments": f"a{i}"}}
        if i == 0:
            call.update(id="call_1", type="function", function={"name": "look", "arguments": ""})
        reply.event(script.chunk({"tool_calls": [call]}, tokens=1))
        reply.pause(0.001)
    reply.event(script.last("tool_calls"))
    if script.wants_usage:
        reply.event(script.totals(n))
    reply.done()


@fault("several-tokens")
def several_tokens(reply, script, per_event=4):
    """`per_event` tokens in each chunk; only the usage tells."""
    script.continuous = False
    reply.start()
    speak(reply, script, per_event=per_event)
    reply.done()


@fault("other-length")
def other_length(reply, script, n=5):
    """`n` tokens, whatever was asked for."""
    reply.start()
    speak(reply, script, n=n)
    reply.done()


@fault("error-in-stream")
def error_in_stream(reply, script, after=2, message="CUDA error: an illegal memory access was encountered"):
    """A stream of status 200 that ends in an error object (and [DONE])."""
    reply.start()
    script.tell(False)
    speak(reply, script, n=after)
    reply.event({"error": {"message": message, "type": "InternalServerError", "code": 500}})
    reply.done()


@fault("stream-cut-at-close")
def stream_cut_at_close(reply, script, after=3):
    """A body that ends with the connection, closed in the middle of the answer."""
    reply.start(framing="close")
    reply.pause(0.002)
    for i in range(after):
        reply.event(script.text(word(i)))
    reply.end()


@fault("stream-cut-in-chunk")
def stream_cut_in_chunk(reply, script, after=3):
    """A chunked body, closed in the middle of a chunk."""
    reply.start()
    for i in range(after):
        reply.event(script.text(word(i)))
    data = line_of(script.text(word(after)))
    reply.raw(b"%x\r\n%s" % (len(data), data[: len(data) // 2]))
    reply.end()


@fault("stream-cut-between-chunks")
def stream_cut_between_chunks(reply, script, after=3):
    """A chunked body, closed after a whole chunk, without the last chunk."""
    reply.start()
    for i in range(after):
        reply.event(script.text(word(i)))
    reply.end()


@fault("stream-without-done")
def stream_without_done(reply, script, after=3):
    """A chunked body that ends as it should, with tokens but without finish reason and [DONE]."""
    reply.start()
    for i in range(after):
        reply.event(script.text(word(i)))
    reply.finish()


@fault("reason-without-done")
def reason_without_done(reply, script):
    """A finish reason and usage, then the body ends as it should: no [DONE], as transformers serves."""
    n = script.request.asked
    reply.start()
    for i in range(n):
        reply.event(script.text(word(i)))
    reply.event({**script.last(), "usage": script.usage(n)})
    reply.finish()


@fault("done-without-reason")
def done_without_reason(reply, script, after=3):
    """Cut off after some tokens for another request's sake, as llama-cpp-python does: [DONE] and no finish reason."""
    reply.start()
    for i in range(after):
        reply.event(script.text(word(i)))
    reply.done()


@fault("empty-choices")
def empty_choices(reply, script):
    """Events with `choices: []` before, between and behind the tokens."""
    n = script.request.asked
    reply.start()
    reply.event({**script.envelope([]), "prompt_filter_results": []})
    for i in range(n):
        reply.event(script.text(word(i)))
        reply.event(script.envelope([]))
    reply.event(script.last())
    reply.event(script.totals(n))
    reply.done()


SPEECH = " Größe – 重さ 🚢 é"


@fault("byte-by-byte")
def byte_by_byte(reply, script, pause=0.0002):
    """Every byte of the response in a segment of its own, also inside UTF-8 characters and chunk sizes."""
    n = script.request.asked
    reply.chunked = True
    data = b"".join(reply.framed(line_of(script.text(SPEECH))) for _ in range(n))
    for value in (script.last(), script.totals(n), "[DONE]"):
        data += reply.framed(line_of(value))
    data = reply.head() + data + b"0\r\n\r\n"
    for i in range(len(data)):
        reply.raw(data[i : i + 1])
        time.sleep(pause)


@fault("split-utf8")
def split_utf8(reply, script, pause=0.003):
    """Each event is cut in two inside a UTF-8 character, and each half is a chunk."""
    n = script.request.asked
    reply.start()
    for i in range(n):
        data = line_of(script.text(SPEECH))
        inside = [k for k, byte in enumerate(data) if byte & 0xC0 == 0x80]
        cut = inside[i % len(inside)]
        reply.write(data[:cut])
        reply.pause(pause)
        reply.write(data[cut:])
    reply.event(script.last())
    reply.event(script.totals(n))
    reply.done()


@fault("coalesced")
def coalesced(reply, script, together=4, gap=0.02):
    """`together` events in one write, a pause, the next ones."""
    n = script.request.asked
    reply.start()
    for i in range(0, n, together):
        reply.pause(gap)
        reply.raw(b"".join(reply.framed(line_of(script.text(word(k)))) for k in range(i, min(i + together, n))))
    reply.event(script.last())
    reply.event(script.totals(n))
    reply.done()


@fault("no-end")
def no_end(reply, script):
    """All of the answer and [DONE], but the response is never ended."""
    reply.start()
    speak(reply, script)
    reply.event("[DONE]")
    reply.hang()


@fault("stall")
def stall(reply, script, after=3):
    """Some tokens, then nothing for ever."""
    reply.start()
    for i in range(after):
        reply.event(script.text(word(i)))
    reply.hang()


@fault("closes-after")
def closes_after(reply, script):
    """A whole answer that promises keep-alive; then the connection is closed."""
    good(reply, script)
    reply.end()


@fault("huge-event")
def huge_event(reply, script, size=2 << 20):
    """One event of `size` bytes among small ones."""
    n = script.request.asked
    reply.start()
    for i in range(n):
        reply.event(script.text("x" * size if i == 1 else word(i)))
    reply.event(script.last())
    reply.event(script.totals(n))
    reply.done()


@fault("long-comment")
def long_comment(reply, script, size=2 << 20):
    """A comment line of `size` bytes before the tokens, and short pings between them."""
    n = script.request.asked
    reply.start()
    reply.write(b": " + b"x" * size + b"\n\n")
    for i in range(n):
        reply.event(script.text(word(i)))
        reply.write(b": ping\n\n")
    reply.event(script.last())
    reply.event(script.totals(n))
    reply.done()


@fault("unframed")
def unframed(reply, script):
    """A good answer without chunks or length: the connection's end is the body's."""
    reply.start(framing="close")
    speak(reply, script)
    reply.event("[DONE]")
    reply.end()


@fault("crlf")
def crlf(reply, script):
    """Lines end in CR LF, and the data line has no space after its colon."""
    n = script.request.asked
    reply.start()
    for value in [script.text(word(i)) for i in range(n)] + [script.last(), script.totals(n), "[DONE]"]:
        reply.write(line_of(value).replace(b"\n", b"\r\n").replace(b"data: ", b"data:"))
    reply.finish()


@fault("status")
def status(reply, script, code=500, message="the engine is on fire", retry_after=None):
    """An error status with the server's message, OpenAI style."""
    extra = [f"retry-after: {retry_after}"] if retry_after is not None else []
    reply.whole(code, {"error": {"message": message, "type": "error", "code": code}}, extra=extra)


@fault("html")
def html(reply, script):
    """A web page of status 200 in place of events."""
    reply.whole(200, "<!DOCTYPE html><html><body><h1>Welcome to nginx!</h1></body></html>", "text/html")


@fault("silent")
def silent(reply, script):
    """Reads the request and never answers."""
    reply.hang()


@fault("reset-before-head")
def reset_before_head(reply, script):
    """Resets the connection instead of answering."""
    reply.reset()


@fault("reset-in-stream")
def reset_in_stream(reply, script, after=3):
    """Resets the connection after some tokens."""
    reply.start()
    for i in range(after):
        reply.event(script.text(word(i)))
        reply.pause(0.003)
    reply.reset()


@fault("bad-chunk")
def bad_chunk(reply, script):
    """A chunk whose size is not a number."""
    reply.start()
    reply.event(script.text(word(0)))
    reply.raw(b"zz\r\nwhat is this\r\n")
    reply.end()


@fault("bad-json")
def bad_json(reply, script):
    """An event that is not JSON, then the rest as if nothing had happened."""
    reply.start()
    reply.event(script.text(word(0)))
    reply.event('{"choices": [{"text": "oops"')
    reply.event(script.last())
    reply.done()


@fault("not-http")
def not_http(reply, script):
    """The banner of another protocol."""
    reply.raw(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")
    reply.end()


@fault("slow-head")
def slow_head(reply, script, pause=0.001):
    """The response head, one byte at a time."""
    head = reply.head()
    for i in range(len(head)):
        reply.raw(head[i : i + 1])
        time.sleep(pause)
    speak(reply, script)
    reply.done()


@fault("no-usage")
def no_usage(reply, script, per_event=1):
    """Never tells any usage, asked or not."""
    script.tell(False)
    reply.start()
    speak(reply, script, per_event=per_event)
    reply.done()


@fault("templated")
def templated(reply, script, overhead=10):
    """Counts a chat prompt as real tokenizers do: long words are several tokens, a template adds `overhead`."""
    words = " ".join(message["content"] for message in script.body["messages"]).split()
    script.prompt_tokens = overhead + sum((len(w) + 3) // 4 for w in words)
    reply.start()
    speak(reply, script)
    reply.done()


@fault("cached")
def cached(reply, script, tokens=7):
    """Reports `tokens` cached prompt tokens."""
    reply.start()
    speak(reply, script, cached=tokens)
    reply.done()


@fault("silent-tokens")
def silent_tokens(reply, script):
    """Every second token has empty text (half a character, a special token); continuous usage counts it."""
    n = script.request.asked
    reply.start()
    for i in range(n):
        reply.event(script.text(word(i) if i % 2 == 0 else ""))
        reply.pause(0.001)
    reply.event(script.last())
    reply.event(script.totals(n))
    reply.done()


@fault("not-streaming")
def not_streaming(reply, script):
    """Ignores `stream: true`: one JSON body."""
    n = script.request.asked
    text = "".join(word(i) for i in range(n))
    choice = {"index": 0, "finish_reason": "length"}
    if script.request.chat:
        choice["message"] = {"role": "assistant", "content": text}
    else:
        choice["text"] = text
    reply.pause(0.005)
    reply.whole(200, {**script.envelope([choice]), "usage": script.usage(n)})


@fault("barrier")
def barrier(reply, script, together=100, patience=10.0):
    """Nobody gets a token before `together` requests wait at once, or `patience` seconds passed."""
    server = reply.server
    with server.gate:
        server.waiting += 1
        server.most_waiting = max(server.most_waiting, server.waiting)
        server.gate.notify_all()
        server.gate.wait_for(lambda: server.most_waiting >= together or server.stopping.is_set(), patience)
        server.waiting -= 1
    good(reply, script)


# --- refusals ------------------------------------------------------------------------------------------------


def field_place(body, field):
    """Where in the body the field stands, as a path; None when it is not there."""
    if field in body:
        return [field]
    if field in (body.get("stream_options") or {}):
        return ["stream_options", field]
    return None


def refusal(style, place, value):
    """(status, body) of a server that does not know a field, in the words of real ones."""
    field = place[-1]
    entry = {"type": "extra_forbidden", "loc": ["body"] + place, "msg": "Extra inputs are not permitted",
             "input": value}
    if style == "vllm":
        told = {**entry, "loc": tuple(entry["loc"])}
        return 400, {"error": {"message": str([told]), "type": "Bad Request", "param": None, "code": 400}}
    if style == "vllm-old":
        told = {**entry, "loc": tuple(entry["loc"])}
        return 400, {"object": "error", "message": str([told]), "type": "BadRequestError", "param": None, "code": 400}
    if style == "pydantic":
        return 422, {"detail": [entry]}
    if style == "openai-old":
        return 400, {"error": {"message": f"Unrecognized request argument supplied: {field}",
                               "type": "invalid_request_error", "param": None, "code": None}}
    if style == "openai-unsupported":
        message = (f"Unsupported parameter: '{field}' is not supported with this model. "
                   "Use 'max_completion_tokens' instead.")
        return 400, {"error": {"message": message, "type": "invalid_request_error", "param": field,
                               "code": "unsupported_parameter"}}
    assert style == "openai"
    return 400, {"error": {"message": f"Unknown parameter: '{'.'.join(place)}'.", "type": "invalid_request_error",
                           "param": ".".join(place), "code": "unknown_parameter"}}


# --- the server ----------------------------------------------------------------------------------------------


class FaultServer:
    """See the top of the file. Listens on loopback, port 0, or on a unix socket."""

    def __init__(self, name="good", *, load_only=False, spare=0, every=1, refuse=(), style="vllm", tokenize=False, models=True,
                 metrics=None, key=None, idle_close=None, everything=False, tls=None, tls_wait=0, unix=None,
                 ipv6=False, port=0, on_request=None, **parameters):
        self.fault = FAULTS[name]
        self.parameters = parameters
        self.load_only, self.spare, self.every = load_only, spare, every
        self.refuse, self.style = tuple(refuse), style
        self.tokenize, self.models, self.metrics, self.key = tokenize, models, metrics, key
        self.idle_close = idle_close
        self.everything = everything
        self.tls, self.tls_wait = tls, tls_wait
        self.unix = unix
        self.on_request = on_request
        self.requests = []
        self.counted = 0
        self.faulted = 0
        self.refused = 0
        self.connections = 0
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.gate = threading.Condition()
        self.waiting = self.most_waiting = 0
        self.open = set()
        self.threads = []
        self.listener = self._listen(ipv6, port)
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*tls)
        self._run(self._accept)

    def _listen(self, ipv6, port):
        if self.unix:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(self.unix)
            self.port, self.url = None, f"unix:{self.unix}"
        else:
            listener = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET)
            listener.bind(("::1" if ipv6 else "127.0.0.1", port))
            self.port = listener.getsockname()[1]
            scheme = "https" if self.tls else "http"
            self.url = f"{scheme}://{'[::1]' if ipv6 else '127.0.0.1'}:{self.port}"
        listener.listen(1024)
        return listener

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def generations(self):
        return [request for request in list(self.requests) if request.generation]

    def stop(self):
        self.stopping.set()
        with self.gate:
            self.gate.notify_all()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        with self.lock:
            for sock in self.open:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        for thread in self.threads:
            thread.join(5)

    def _run(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self):
        while not self.stopping.is_set():
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                number = self.connections
                self.open.add(sock)
            self._run(self._connection, sock, number)

    def _connection(self, sock, number):
        plain = sock
        try:
            if not self.unix:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                time.sleep(self.tls_wait)
                sock = self.context.wrap_socket(sock, server_side=True)
            reader = Reader(sock)
            keep = True
            while keep:
                sock.settimeout(self.idle_close)
                request = reader.request(number)
                sock.settimeout(None)
                keep = self._answer(sock, request)
        except (Gone, OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.open.discard(plain)
            sock.close()

    def _answer(self, sock, request):
        with self.lock:
            self.requests.append(request)
        if self.on_request:
            self.on_request(request)
        reply = Reply(self, sock, request)
        if request.generation:
            self._generate(reply, request)
        elif self.everything:
            self.fault(reply, None, **self.parameters)
        else:
            self._set_up(reply, request)
        wants_close = request.headers.get("connection", "").lower() == "close"
        return reply.keep and not wants_close

    def _generate(self, reply, request):
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            reply.whole(400, {"error": {"message": "1 validation error:\n  Unsupported Media Type: Only "
                                        "'application/json' is allowed", "type": "Bad Request", "code": 400}})
            return
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            reply.whole(401, {"error": {"message": "Incorrect API key provided: you shall not pass",
                                        "type": "invalid_request_error", "code": "invalid_api_key"}})
            return
        body = request.json
        if body.get("model") != MODEL:
            reply.whole(404, {"error": {"message": f"The model `{body.get('model')}` does not exist.",
                                        "type": "NotFoundError", "code": 404}})
            return
        for field in self.refuse:
            place = field_place(body, field)
            if place:
                with self.lock:
                    self.refused += 1
                value = (body.get("stream_options") if len(place) > 1 else body)[field]
                code, answer = refusal(self.style, place, value)
                reply.whole(code, answer)
                return
        script = Script(request)
        if self._chosen(request):
            self.fault(reply, script, **self.parameters)
        else:
            good(reply, script)

    def _chosen(self, request):
        if self.load_only and "x-request-id" not in request.headers:
            return False
        with self.lock:
            place = self.counted
            self.counted += 1
            chosen = place >= self.spare and (place - self.spare) % self.every == 0
            self.faulted += chosen
        return chosen

    def _set_up(self, reply, request):
        path = request.path[3:] if request.path.startswith("/v1/") else request.path
        if path == "/models" and self.models:
            reply.whole(200, {"object": "list", "data": [
                {"id": MODEL, "object": "model", "owned_by": "vllm", "max_model_len": 1 << 20}]})
        elif path in ("/health", "/"):
            reply.whole(200, {})
        elif path == "/version":
            reply.whole(200, {"version": "0.0.1"})
        elif path == "/tokenize" and self.tokenize:
            reply.whole(200, tokenized(request.json))
        elif path == "/metrics" and self.metrics:
            reply.whole(200, self.metrics(), "text/plain; version=0.0.4")
        else:
            reply.whole(404, {"detail": "Not Found"})


def tokenized(body):
    """vLLM's answer to /tokenize: one token a word, with a beginning-of-text token unless told otherwise."""
    text = body.get("prompt")
    if text is None:
        text = " ".join(str(message.get("content", "")) for message in body.get("messages", []))
    ids = [1000 + sum(ord(letter) * (k + 1) for k, letter in enumerate(w)) % 30000 for w in text.split()]
    if body.get("add_special_tokens", True):
        ids = [1] + ids
    return {"count": len(ids), "max_model_len": 1 << 20, "tokens": ids, "token_strs": None}


# --- by itself -----------------------------------------------------------------------------------------------


def value_of(text):
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def main(arguments):
    if "--list" in arguments or not arguments:
        for name, function in FAULTS.items():
            print(f"{name:26} {inspect.getdoc(function)}")
        return 0
    port = 0
    if "--port" in arguments:
        at = arguments.index("--port")
        port = int(arguments[at + 1])
        del arguments[at : at + 2]
    name = arguments[0]
    parameters = {key: value_of(value) for key, _, value in (a.partition("=") for a in arguments[1:])}

    def show(request):
        print(f"{request.connection} {request.method} {request.target} {len(request.body)} bytes", flush=True)

    with FaultServer(name, port=port, on_request=show, **parameters) as server:
        print(f"{name} on {server.url}", flush=True)
        try:
            for _ in itertools.count():
                time.sleep(3600)
        except KeyboardInterrupt:
            os.write(2, b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
