/* gRPC's side of an HTTP/2 connection, on libnghttp2: bytes in, events out; answers in, bytes out. No socket, no clock
   of Python's, no Python code is called.

   Port(unary, streams, ...) holds what is served and the bounds; Session(port) is one connection.
   docs/decisions/0020-grpc-over-libnghttp2.md says why this exists. grpc/http2.py gives it bytes and answers. */

#include "_grpc_call.h"

#include <structmember.h>
#include <time.h>

#define WINDOW (1 << 20)            /* bytes of one call that may be on their way to us */
#define CONNECTION_WINDOW (8 << 20) /* and of all calls of a connection */
#define HOPELESS 8                  /* a header list so many times beyond its bound costs the connection */
#define FOLLOWING 64                /* CONTINUATION frames of one header list */

/* What Python is told: (stream, kind, what the path leads to, message, seconds, packing) */
enum { CALL = 1, OPENED, READABLE, HEARD, WRITTEN, GONE, PONG };

/* Frames that cost us more than their sender: so many at once, and so many a second. */
typedef struct {
    double left, at;
} allowance;

typedef struct {
    PyObject_HEAD
    port *port;
    nghttp2_session *ng;
    call *calls;
    PyObject *events;
    unsigned active;            /* calls */
    int greeted, heading, dead; /* heading: a header list has begun; dead: nothing more is read */
    unsigned pings, following;
    allowance resets, others;
    const char *farewell; /* why the caller was told to calm down */
    char *out;
    size_t out_size;
} session;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int spend(allowance *a, double burst, double rate) {
    const double at = now();
    a->left = a->at == 0 ? burst : a->left + (at - a->at) * rate;
    if (a->left > burst) a->left = burst;
    a->at = at;
    return (a->left -= 1) >= 0;
}

static int calm(session *s, const char *why) {
    s->farewell = why;
    return ERR_CALLBACK_FAILURE;
}

/* ---- events ---- */

static int tell(session *s, const call *c, int32_t id, int kind, PyObject *message) {
    PyObject *event = message || kind != CALL ? PyTuple_New(6) : NULL;
    PyObject *stream = event ? PyLong_FromLong(id) : NULL, *number = stream ? PyLong_FromLong(kind) : NULL;
    PyObject *seconds = c && c->seconds >= 0 ? PyFloat_FromDouble(c->seconds) : Py_NewRef(Py_None);
    PyObject *packing = c ? PyLong_FromLong((long)(c->packing | (unsigned)(c->envelope[0] & COMPRESSED))) : PyLong_FromLong(0);
    int result = -1;
    if (number && seconds && packing && (s->events || (s->events = PyList_New(0)))) {
        PyTuple_SetItem(event, 0, stream);
        PyTuple_SetItem(event, 1, number);
        PyTuple_SetItem(event, 2, Py_NewRef(c && c->method ? c->method : Py_None));
        PyTuple_SetItem(event, 3, Py_NewRef(message ? message : Py_None));
        PyTuple_SetItem(event, 4, seconds);
        PyTuple_SetItem(event, 5, packing);
        result = PyList_Append(s->events, event);
    } else {
        Py_XDECREF(stream);
        Py_XDECREF(number);
        Py_XDECREF(seconds);
        Py_XDECREF(packing);
    }
    Py_XDECREF(event);
    Py_XDECREF(message);
    return result < 0 ? ERR_CALLBACK_FAILURE : 0;
}

/* ---- answers ---- */

#define FIELD(name, value) {(uint8_t *)(name), (uint8_t *)(value), sizeof(name) - 1, sizeof(value) - 1, NO_COPY_NAME | NO_COPY_VALUE}

static nghttp2_nv status_field(int status) {
    static const char *const numbers[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"};
    const char *number = numbers[status];
    return (nghttp2_nv){(uint8_t *)"grpc-status", (uint8_t *)number, 11, strlen(number), NO_COPY_NAME | NO_COPY_VALUE};
}

static nghttp2_nv text_field(const char *text, size_t size) {
    return (nghttp2_nv){(uint8_t *)"grpc-message", (uint8_t *)text, 12, size, NO_COPY_NAME};
}

/* Trailers-Only, or the trailers behind what was sent. 0, or an error of nghttp2. */
static int finish(session *s, call *c, int status, const char *text, size_t size) {
    if (c->ended) return 0;
    forget(c, s->port);
    if (!c->begun) {
        const nghttp2_nv fields[] = {FIELD(":status", "200"), FIELD("content-type", "application/grpc"),
                                     status_field(status), text_field(text, size)};
        c->begun = c->ended = 1;
        return ng_submit_response(s->ng, c->id, fields, size ? 4 : 3, NULL);
    }
    if (size && !(c->text = PyMem_Malloc(size))) return ERR_NOMEM;
    if (size) memcpy(c->text, text, size);
    c->text_size = size;
    c->status = status;
    c->ended = 1;
    ng_session_resume_data(s->ng, c->id); /* which fails where it was not waiting, and that is well */
    return 0;
}

/* Ends a call by a fault of its caller; Python forgets it. */
static int refuse(session *s, call *c, int status, const char *text) {
    if (c->ended) return 0;
    if (c->announced && tell(s, NULL, c->id, GONE, NULL)) return ERR_CALLBACK_FAILURE;
    c->announced = 0;
    if (c->at == 0) Py_CLEAR(c->sending); /* a message that has begun must be whole */
    return finish(s, c, status, text, strlen(text));
}

static ssize_t give(nghttp2_session *ng, int32_t id, uint8_t *into, size_t room, uint32_t *flags,
                    nghttp2_data_source *source, void *user) {
    session *s = user;
    call *c = source->ptr;
    size_t given = 0;
    if (c->sending) {
        const size_t size = (size_t)PyBytes_Size(c->sending);
        for (; c->at < ENVELOPE && given < room; c->at++) into[given++] = c->prefix[c->at];
        if (c->at >= ENVELOPE) {
            size_t some = size - (c->at - ENVELOPE);
            if (some > room - given) some = room - given;
            memcpy(into + given, PyBytes_AsString(c->sending) + (c->at - ENVELOPE), some);
            given += some;
            c->at += some;
        }
        if (c->at == ENVELOPE + size) {
            Py_CLEAR(c->sending);
            c->at = 0;
            if (!c->ended && c->announced && tell(s, NULL, id, WRITTEN, NULL)) return ERR_CALLBACK_FAILURE;
        }
    }
    if (!c->sending && c->ended) {
        const nghttp2_nv fields[] = {status_field(c->status), text_field(c->text, c->text_size)};
        *flags |= DATA_EOF | DATA_NO_END_STREAM;
        if (ng_submit_trailer(ng, id, fields, c->text_size ? 2 : 1)) return ERR_CALLBACK_FAILURE;
    } else if (!given) {
        return ERR_DEFERRED;
    }
    return (ssize_t)given;
}

/* The next message of an answer; the one before must have been written. last: there is no other. */
static int answer(session *s, call *c, PyObject *message, int compressed, int last) {
    const size_t size = (size_t)PyBytes_Size(message);
    Py_XDECREF(c->sending);
    c->sending = Py_NewRef(message);
    c->prefix[0] = (uint8_t)compressed;
    for (int i = 0; i < 4; i++) c->prefix[1 + i] = (uint8_t)(size >> (24 - 8 * i));
    c->at = 0;
    if (last) {
        c->ended = 1;
        c->status = OK;
        forget(c, s->port);
    }
    if (c->begun) {
        ng_session_resume_data(s->ng, c->id);
        return 0;
    }
    const nghttp2_nv fields[] = {FIELD(":status", "200"), FIELD("content-type", "application/grpc"),
                                 FIELD("grpc-accept-encoding", "identity,deflate,gzip"), FIELD("grpc-encoding", "gzip")};
    const nghttp2_data_provider provider = {{.ptr = c}, give};
    c->begun = 1;
    return ng_submit_response(s->ng, c->id, fields, compressed ? 4 : 3, &provider);
}

/* ---- what nghttp2 calls ---- */

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame_hd *frame, void *user) {
    session *s = user;
    s->heading = 1;
    s->following = 0;
    if (ng_session_get_stream_user_data(ng, frame->stream_id)) return 0; /* trailers */
    call *c = PyMem_Calloc(1, sizeof *c);
    if (!c) {
        PyErr_NoMemory();
        return ERR_CALLBACK_FAILURE;
    }
    c->id = frame->stream_id;
    c->seconds = -1;
    c->behind = s->calls;
    if (s->calls) s->calls->before = c;
    s->calls = c;
    s->active++;
    s->port->open++;
    return ng_session_set_stream_user_data(ng, c->id, c) ? ERR_CALLBACK_FAILURE : 0;
}

static void release(session *s, call *c) {
    if (c->before)
        c->before->behind = c->behind;
    else
        s->calls = c->behind;
    if (c->behind) c->behind->before = c->before;
    forget(c, s->port);
    Py_XDECREF(c->method);
    Py_XDECREF(c->sending);
    PyMem_Free(c->text);
    PyMem_Free(c);
    s->active--;
    s->port->open--;
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t code, void *user) {
    session *s = user;
    call *c = ng_session_get_stream_user_data(ng, id);
    (void)code;
    s->heading = 0; /* of a list that nghttp2 refused itself */
    if (!c) return 0;
    const int gone = c->announced && !c->ended;
    ng_session_set_stream_user_data(ng, id, NULL);
    release(s, c);
    return gone ? tell(s, NULL, id, GONE, NULL) : 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame_hd *frame, const uint8_t *name, size_t length,
                     const uint8_t *value, size_t size, uint8_t flags, void *user) {
    session *s = user;
    call *c = ng_session_get_stream_user_data(ng, frame->stream_id);
    (void)flags;
    if (!c) return 0;
    c->fields += (Py_ssize_t)(length + size + 32); /* as RFC 9113, 6.5.2, counts */
    if (c->fields > s->port->metadata_bytes * HOPELESS) return calm(s, "header_list_too_large");
    c->oversize |= c->fields > s->port->metadata_bytes;
    return c->judged || c->oversize ? 0 : note(c, s->port, name, length, value, size) ? ERR_CALLBACK_FAILURE : 0;
}

/* The header list of a call has come: refuse the call, or tell of a stream. */
static int judge(session *s, call *c) {
    const port *p = s->port;
    c->judged = 1;
    if (c->oversize) return refuse(s, c, RESOURCE_EXHAUSTED, "The metadata of the call is larger than is taken here.");
    if (!c->post || !c->typed) { /* no gRPC: an answer of plain HTTP */
        static const nghttp2_nv typed[] = {FIELD(":status", "415")}, post[] = {FIELD(":status", "405"), FIELD("allow", "POST")};
        c->begun = c->ended = 1;
        return ng_submit_response(s->ng, c->id, c->post ? typed : post, c->post ? 1 : 2, NULL);
    }
    if (p->open > p->calls_limit) return refuse(s, c, RESOURCE_EXHAUSTED, "The server is busy with as many calls as it takes.");
    if (!c->method) return refuse(s, c, UNIMPLEMENTED, "No such method here; ask the reflection service for them.");
    if (c->odd_timeout) return refuse(s, c, INTERNAL, "The grpc-timeout of the call is none.");
    if (c->odd_coding) return refuse(s, c, UNIMPLEMENTED, "The grpc-encoding of the call is not known here; identity, deflate and gzip are.");
    if (!c->stream) return 0;
    c->announced = 1;
    return tell(s, c, c->id, OPENED, NULL);
}

/* The caller has ended its side. */
static int heard(session *s, call *c) {
    c->heard = 1;
    if (c->ended) return 0;
    if (c->stream) {
        const size_t there = c->filled - c->start;
        if (there && !readable(c)) return refuse(s, c, INTERNAL, "The last message of the call is not whole.");
        return tell(s, c, c->id, HEARD, NULL);
    }
    if (c->seen < ENVELOPE || c->filled < c->length) return refuse(s, c, INTERNAL, c->seen ? "The message of the call is not whole." : "The call has no message.");
    if (c->envelope[0] > 1 || (c->envelope[0] && !(c->packing & (SENDS_GZIP | SENDS_DEFLATE))))
        return refuse(s, c, INTERNAL, "The message is compressed, and no grpc-encoding says how.");
    c->announced = 1;
    return tell(s, c, c->id, CALL, whole(c, s->port));
}

static int on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *frame, void *user) {
    session *s = user;
    (void)ng;
    if (frame->type == CONTINUATION && ++s->following > FOLLOWING) return calm(s, "too_many_continuations");
    return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame_hd *frame, void *user) {
    session *s = user;
    call *c;
    int result = 0;
    switch (frame->type) {
    case HEADERS:
    case DATA:
        if (frame->type == HEADERS) s->heading = 0;
        else if (!frame->length && !(frame->flags & END_STREAM) && !spend(&s->others, 500, 100)) return calm(s, "too_many_frames");
        if (!(c = ng_session_get_stream_user_data(ng, frame->stream_id))) return 0;
        if (frame->type == HEADERS && !c->judged) result = judge(s, c);
        return result || !(frame->flags & END_STREAM) ? result : heard(s, c);
    case PING:
        if (frame->flags & ACK) return tell(s, NULL, 0, PONG, NULL);
        return ++s->pings > 10 ? calm(s, "too_many_pings") : 0;
    case SETTINGS:
        s->greeted = 1;
        return frame->flags & ACK || spend(&s->others, 500, 100) ? 0 : calm(s, "too_many_frames");
    case RST_STREAM:
        return spend(&s->resets, 2000, 200) ? 0 : calm(s, "too_many_resets");
    case WINDOW_UPDATE:
        return 0;
    default:
        return spend(&s->others, 500, 100) ? 0 : calm(s, "too_many_frames");
    }
}

static int on_sent(nghttp2_session *ng, const nghttp2_frame_hd *frame, void *user) {
    session *s = user;
    if (frame->type > HEADERS) return 0;
    s->pings = 0;
    if (frame->type != HEADERS || !(frame->flags & END_STREAM)) return 0;
    const call *c = ng_session_get_stream_user_data(ng, frame->stream_id);
    /* answered before all was heard: the rest need not come */
    return c && !c->heard && ng_submit_rst_stream(ng, 0, c->id, NO_ERROR) ? ERR_CALLBACK_FAILURE : 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t size, void *user) {
    session *s = user;
    call *c = ng_session_get_stream_user_data(ng, id);
    (void)flags;
    if (ng_session_consume_connection(ng, size)) return ERR_CALLBACK_FAILURE;
    if (!c || c->ended) return 0;
    const int result = c->stream ? append(c, s->port, data, size) : fill(c, s->port, data, size);
    if (result == TOO_LARGE) return refuse(s, c, RESOURCE_EXHAUSTED, "A message of the call is larger than is taken here.");
    if (result == FULL) return refuse(s, c, UNAVAILABLE, "The server holds too many requests: come back in a moment.");
    if (result < 0) return ERR_CALLBACK_FAILURE;
    if (!c->stream) return ng_session_consume_stream(ng, id, size) ? ERR_CALLBACK_FAILURE : 0;
    c->owed += size;
    if (!readable(c)) { /* nothing to read: more must come */
        const size_t owed = c->owed;
        c->owed = 0;
        return ng_session_consume_stream(ng, id, owed) ? ERR_CALLBACK_FAILURE : 0;
    }
    if (c->signalled) return 0;
    c->signalled = 1;
    return tell(s, c, id, READABLE, NULL);
}

#include "_http2_types.h"
