/* One gRPC call on its stream: what its header fields say, its messages as they come, its answer as it goes.
   https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */

#ifndef MODELMOOR_GRPC_CALL_H
#define MODELMOOR_GRPC_CALL_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <string.h>

#include "_nghttp2.h"

#define ENVELOPE 5 /* bytes before each message: whether it is compressed, and its length */
#define TEXT 4096  /* bytes of a status's sentence */

enum { OK = 0, RESOURCE_EXHAUSTED = 8, UNIMPLEMENTED = 12, INTERNAL = 13, UNAVAILABLE = 14 };
/* how a call is packed: bits of an event's last element */
enum { COMPRESSED = 1, TAKES_GZIP = 2, ASKS_GZIP = 4, SENDS_GZIP = 8, SENDS_DEFLATE = 16 };

/* A port of the process: what is served, its bounds, and what all its connections hold together. */
typedef struct {
    PyObject_HEAD
    PyObject *unary, *streams; /* path -> what Python wants to hear for it */
    Py_ssize_t message_bytes, metadata_bytes, budget;
    unsigned streams_limit, calls_limit;
    Py_ssize_t held; /* bytes of requests that are still arriving */
    unsigned open;   /* calls */
} port;

typedef struct call {
    struct call *before, *behind; /* of the connection */
    int32_t id;
    /* the head */
    PyObject *method; /* NULL: no such path */
    Py_ssize_t fields;
    double seconds; /* of grpc-timeout; below 0: none */
    unsigned packing;
    unsigned stream : 1, post : 1, typed : 1, odd_timeout : 1, odd_coding : 1, oversize : 1;
    /* how far it is. announced: Python knows it; signalled: Python was told to read; heard: the caller has ended its
       side; begun: header fields went out; ended: a status is decided; compresses: the answer is gzip */
    unsigned judged : 1, announced : 1, signalled : 1, heard : 1, begun : 1, ended : 1;
    /* the request: of a unary call the one message, of a stream what came and was not read */
    uint8_t envelope[ENVELOPE];
    size_t seen; /* bytes of the envelope */
    size_t length;
    PyObject *message;
    uint8_t *raw;
    size_t start, filled, capacity, owed; /* owed: bytes for which the caller was not given room yet */
    /* the answer */
    PyObject *sending;
    uint8_t prefix[ENVELOPE];
    size_t at;
    int status;
    char *text;
    size_t text_size;
} call;

static size_t length_of(const uint8_t *envelope) {
    return (size_t)envelope[1] << 24 | (size_t)envelope[2] << 16 | (size_t)envelope[3] << 8 | envelope[4];
}

static int same(const uint8_t *text, size_t size, const char *word) {
    return size == strlen(word) && memcmp(text, word, size) == 0;
}

static int contains(const uint8_t *text, size_t size, const char *word) {
    const size_t length = strlen(word);
    for (size_t i = 0; i + length <= size; i++)
        if (memcmp(text + i, word, length) == 0) return 1;
    return 0;
}

/* Seconds of a grpc-timeout: up to eight digits and a unit; below 0 where it is none. */
static double timeout_of(const uint8_t *text, size_t size) {
    static const char units[] = "HMSmun";
    static const double seconds[] = {3600, 60, 1, 1e-3, 1e-6, 1e-9};
    double number = 0;
    if (size < 2 || size > 9) return -1;
    for (size_t i = 0; i + 1 < size; i++) {
        if (text[i] < '0' || text[i] > '9') return -1;
        number = number * 10 + (text[i] - '0');
    }
    const char *unit = memchr(units, text[size - 1], sizeof units - 1);
    return unit ? number * seconds[unit - units] : -1;
}

/* One header field of a call. 0, or -1 with an exception. */
static int note(call *c, const port *p, const uint8_t *name, size_t length, const uint8_t *value, size_t size) {
    switch (length) {
    case 5:
        if (same(name, length, ":path")) {
            PyObject *path = PyBytes_FromStringAndSize((const char *)value, (Py_ssize_t)size);
            if (!path) return -1;
            PyObject *found = PyDict_GetItemWithError(p->unary, path);
            if (!found && !PyErr_Occurred() && (found = PyDict_GetItemWithError(p->streams, path))) c->stream = 1;
            Py_DECREF(path);
            if (!found && PyErr_Occurred()) return -1;
            Py_XINCREF(found);
            Py_XDECREF(c->method);
            c->method = found;
        }
        break;
    case 7:
        if (same(name, length, ":method")) c->post = same(value, size, "POST");
        break;
    case 12:
        if (same(name, length, "content-type"))
            c->typed = size >= 16 && memcmp(value, "application/grpc", 16) == 0 &&
                       (size == 16 || value[16] == '+' || value[16] == ';');
        else if (same(name, length, "grpc-timeout")) {
            c->seconds = timeout_of(value, size);
            c->odd_timeout = c->seconds < 0;
        }
        break;
    case 13:
        if (same(name, length, "grpc-encoding")) {
            if (same(value, size, "gzip"))
                c->packing |= SENDS_GZIP;
            else if (same(value, size, "deflate"))
                c->packing |= SENDS_DEFLATE;
            else
                c->odd_coding = !same(value, size, "identity");
        }
        break;
    case 15:
        if (same(name, length, "accept-encoding") && contains(value, size, "gzip")) c->packing |= ASKS_GZIP;
        break;
    case 20:
        if (same(name, length, "grpc-accept-encoding") && contains(value, size, "gzip")) c->packing |= TAKES_GZIP;
        break;
    }
    return 0;
}

/* Lets the request go: what came of it, and the place it took in the port. */
static void forget(call *c, port *p) {
    p->held -= (Py_ssize_t)c->capacity;
    Py_CLEAR(c->message);
    PyMem_Free(c->raw);
    c->raw = NULL;
    c->start = c->filled = c->capacity = 0;
}

enum { FULL = -2, TOO_LARGE = -3 }; /* FULL: the port holds too much */

/* Bytes of a unary call; what follows its first message is passed over. 0, FULL, TOO_LARGE, or -1 with an exception.
   The message has its place from the start: memory that nothing was written to costs nothing, what was is counted. */
static int fill(call *c, port *p, const uint8_t *data, size_t size) {
    for (; size && c->seen < ENVELOPE; size--) c->envelope[c->seen++] = *data++;
    if (c->seen < ENVELOPE) return 0;
    c->length = length_of(c->envelope);
    if (c->length > (size_t)p->message_bytes) return TOO_LARGE;
    if (size > c->length - c->filled) size = c->length - c->filled;
    if (!size) return 0;
    if (p->held + (Py_ssize_t)size > p->budget) return FULL;
    if (!c->message && !(c->message = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)c->length))) {
        if (!PyErr_ExceptionMatches(PyExc_MemoryError)) return -1;
        PyErr_Clear();
        return FULL;
    }
    memcpy(PyBytes_AsString(c->message) + c->filled, data, size);
    c->filled += size;
    c->capacity += size;
    p->held += (Py_ssize_t)size;
    return 0;
}

/* The whole message of a unary call, which is no longer ours; NULL with an exception. */
static PyObject *whole(call *c, port *p) {
    PyObject *message = c->message ? c->message : PyBytes_FromStringAndSize(NULL, 0);
    c->message = NULL;
    forget(c, p);
    return message;
}

/* Whether a message of a stream can be read. */
static int readable(const call *c) {
    const size_t there = c->filled - c->start;
    return there >= ENVELOPE && there - ENVELOPE >= length_of(c->raw + c->start);
}

/* Bytes of a stream. 0, FULL or TOO_LARGE. */
static int append(call *c, port *p, const uint8_t *data, size_t size) {
    if (c->start) {
        memmove(c->raw, c->raw + c->start, c->filled - c->start);
        c->filled -= c->start;
        c->start = 0;
    }
    if (c->filled + size > c->capacity) {
        const size_t wider = 2 * c->capacity > c->filled + size ? 2 * c->capacity : c->filled + size;
        if (p->held + (Py_ssize_t)(wider - c->capacity) > p->budget) return FULL;
        uint8_t *moved = PyMem_Realloc(c->raw, wider);
        if (!moved) return FULL;
        p->held += (Py_ssize_t)(wider - c->capacity);
        c->raw = moved;
        c->capacity = wider;
    }
    memcpy(c->raw + c->filled, data, size);
    c->filled += size;
    return c->filled >= ENVELOPE && length_of(c->raw) > (size_t)p->message_bytes ? TOO_LARGE : 0;
}

#endif
