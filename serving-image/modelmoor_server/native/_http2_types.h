/* Port and Session as Python sees them; the end of _http2.c. */

#define KEPT (16 * 1024) /* bytes of a connection's buffer for what is to be written, between two writings */

static PyObject *port_new(PyTypeObject *type, PyObject *args, PyObject *words) {
    static char *names[] = {"unary", "streams", "message_bytes", "metadata_bytes", "budget", "streams_limit", "calls_limit", NULL};
    PyObject *unary, *streams;
    Py_ssize_t message, metadata, budget;
    unsigned int each, all;
    if (!PyArg_ParseTupleAndKeywords(args, words, "OOnnnII", names, &unary, &streams, &message, &metadata, &budget, &each, &all)) return NULL;
    if (!PyDict_Check(unary) || !PyDict_Check(streams) || message < 0 || metadata < 0 || budget < message) {
        PyErr_SetString(PyExc_ValueError, "unary and streams are dicts; budget is at least message_bytes");
        return NULL;
    }
    port *p = (port *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!p) return NULL;
    p->unary = Py_NewRef(unary);
    p->streams = Py_NewRef(streams);
    p->message_bytes = message;
    p->metadata_bytes = metadata;
    p->budget = budget;
    p->streams_limit = each;
    p->calls_limit = all;
    return (PyObject *)p;
}

static void port_dealloc(PyObject *self) {
    port *p = (port *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(p->unary);
    Py_XDECREF(p->streams);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyTypeObject *port_type;

static int set_callbacks(nghttp2_callbacks **into) {
    if (ng_session_callbacks_new(into)) return -1;
    ng_session_callbacks_set_on_begin_frame_callback(*into, on_begin_frame);
    ng_session_callbacks_set_on_begin_headers_callback(*into, on_begin_headers);
    ng_session_callbacks_set_on_header_callback(*into, on_header);
    ng_session_callbacks_set_on_frame_recv_callback(*into, on_frame);
    ng_session_callbacks_set_on_frame_send_callback(*into, on_sent);
    ng_session_callbacks_set_on_data_chunk_recv_callback(*into, on_data);
    ng_session_callbacks_set_on_stream_close_callback(*into, on_close);
    return 0;
}

static int begin(session *s) {
    nghttp2_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int result = set_callbacks(&callbacks);
    if (!result && !(result = ng_option_new(&option))) {
        ng_option_set_no_auto_window_update(option, 1);
        ng_option_set_no_closed_streams(option, 1);
        ng_option_set_max_outbound_ack(option, 1000);
        ng_option_set_max_settings(option, 32);
        if (ng_option_set_stream_reset_rate_limit) ng_option_set_stream_reset_rate_limit(option, 1 << 20, 1 << 20); /* ours is asked */
        result = ng_session_server_new2(&s->ng, callbacks, s, option);
    }
    if (option) ng_option_del(option);
    if (callbacks) ng_session_callbacks_del(callbacks);
    if (result) return -1;
    const nghttp2_settings_entry settings[] = {{MAX_CONCURRENT_STREAMS, s->port->streams_limit},
                                               {INITIAL_WINDOW_SIZE, WINDOW},
                                               {MAX_HEADER_LIST_SIZE, (uint32_t)s->port->metadata_bytes}};
    if (ng_submit_settings(s->ng, 0, settings, 3)) return -1;
    return ng_session_set_local_window_size(s->ng, 0, 0, CONNECTION_WINDOW) ? -1 : 0;
}

static PyObject *session_new(PyTypeObject *type, PyObject *args, PyObject *words) {
    static char *names[] = {"port", NULL};
    PyObject *of;
    if (!PyArg_ParseTupleAndKeywords(args, words, "O!", names, port_type, &of)) return NULL;
    session *s = (session *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!s) return NULL;
    s->port = (port *)(void *)Py_NewRef(of);
    if (begin(s) < 0) {
        Py_DECREF(s);
        return PyErr_NoMemory();
    }
    return (PyObject *)s;
}

static void session_dealloc(PyObject *self) {
    session *s = (session *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (s->ng) ng_session_del(s->ng);
    while (s->calls) release(s, s->calls);
    Py_XDECREF(s->events);
    Py_XDECREF((PyObject *)s->port);
    PyMem_Free(s->out);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject *session_events(PyObject *self, PyObject *unused) {
    session *s = (session *)self;
    PyObject *events = s->events;
    (void)unused;
    s->events = NULL;
    return events ? events : Py_NewRef(Py_None);
}

static PyObject *session_feed(PyObject *self, PyObject *data) {
    session *s = (session *)self;
    Py_buffer view;
    if (s->dead) return session_events(self, NULL);
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) return NULL;
    const ssize_t result = ng_session_mem_recv(s->ng, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    if (result < 0) {
        s->dead = 1;
        if (s->farewell)
            ng_submit_goaway(s->ng, 0, ng_session_get_last_proc_stream_id(s->ng), ENHANCE_YOUR_CALM,
                             (const uint8_t *)s->farewell, strlen(s->farewell));
        else if (result == ERR_NOMEM && !PyErr_Occurred())
            PyErr_NoMemory();
    }
    return PyErr_Occurred() ? NULL : session_events(self, NULL);
}

/* Up to about `limit` bytes that are to be written; a frame is never cut. */
static PyObject *session_take(PyObject *self, PyObject *number) {
    session *s = (session *)self;
    const Py_ssize_t limit = PyLong_AsSsize_t(number);
    size_t size = 0;
    if (limit == -1 && PyErr_Occurred()) return NULL;
    while ((Py_ssize_t)size < limit) {
        const uint8_t *data;
        const ssize_t some = ng_session_mem_send(s->ng, &data);
        if (some < 0) s->dead = 1;
        if (some <= 0) break;
        if (size + (size_t)some > s->out_size) {
            const size_t wider = size + (size_t)some > 2 * s->out_size ? size + (size_t)some + 1024 : 2 * s->out_size;
            char *moved = PyMem_Realloc(s->out, wider);
            if (!moved) return PyErr_NoMemory();
            s->out = moved;
            s->out_size = wider;
        }
        memcpy(s->out + size, data, (size_t)some);
        size += (size_t)some;
    }
    PyObject *taken = PyErr_Occurred() ? NULL : PyBytes_FromStringAndSize(s->out, (Py_ssize_t)size);
    if (s->out_size > KEPT) {
        PyMem_Free(s->out);
        s->out = NULL;
        s->out_size = 0;
    }
    return taken;
}

static call *found(session *s, int32_t id) {
    return id > 0 ? ng_session_get_stream_user_data(s->ng, id) : NULL;
}

static PyObject *done(int result) {
    if (result && !PyErr_Occurred()) PyErr_NoMemory();
    return result ? NULL : Py_NewRef(Py_None);
}

static PyObject *session_send(PyObject *self, PyObject *args) {
    session *s = (session *)self;
    int id, compressed, last;
    PyObject *message;
    if (!PyArg_ParseTuple(args, "iSpp", &id, &message, &compressed, &last)) return NULL;
    call *c = found(s, id);
    if (!c || c->ended) return Py_NewRef(Py_None);
    if (PyBytes_Size(message) > UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "a message of gRPC is below 4 GiB");
        return NULL;
    }
    return done(answer(s, c, message, compressed, last));
}

static PyObject *session_finish(PyObject *self, PyObject *args) {
    session *s = (session *)self;
    int id, status;
    const char *text;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "iiy#", &id, &status, &text, &size)) return NULL;
    if (status < 0 || status > 16 || size > TEXT) {
        PyErr_SetString(PyExc_ValueError, "a status is from 0 to 16, its text at most 4096 bytes");
        return NULL;
    }
    call *c = found(s, id);
    return c ? done(finish(s, c, status, text, (size_t)size)) : Py_NewRef(Py_None);
}

static PyObject *session_read(PyObject *self, PyObject *number) {
    session *s = (session *)self;
    const long id = PyLong_AsLong(number);
    if (id == -1 && PyErr_Occurred()) return NULL;
    call *c = found(s, (int32_t)id);
    if (!c || c->ended || !c->stream) return Py_NewRef(Py_None);
    if (!readable(c)) {
        c->signalled = 0;
        return Py_NewRef(Py_None);
    }
    const uint8_t *from = c->raw + c->start;
    const size_t length = length_of(from);
    const int compressed = from[0];
    if (compressed > 1 || (compressed && !(c->packing & (SENDS_GZIP | SENDS_DEFLATE))))
        return done(refuse(s, c, INTERNAL, "The message is compressed, and no grpc-encoding says how."));
    PyObject *result = Py_BuildValue("y#i", (const char *)from + ENVELOPE, (Py_ssize_t)length, compressed);
    if (!result) return NULL;
    c->start += ENVELOPE + length;
    if (c->start == c->filled) forget(c, s->port);
    const size_t there = c->filled - c->start;
    if (there >= ENVELOPE && length_of(c->raw + c->start) > (size_t)s->port->message_bytes) {
        if (refuse(s, c, RESOURCE_EXHAUSTED, "A message of the call is larger than is taken here.")) goto failed;
    } else if (!readable(c) && c->owed) {
        const size_t owed = c->owed;
        c->owed = 0;
        if (!c->heard && ng_session_consume_stream(s->ng, c->id, owed)) goto failed;
    }
    return result;
failed:
    Py_DECREF(result);
    return done(-1);
}

static PyObject *session_notice(PyObject *self, PyObject *unused) {
    (void)unused;
    static const uint8_t payload[8] = "modelmoo";
    nghttp2_session *ng = ((session *)self)->ng;
    const int result = ng_submit_shutdown_notice(ng);
    return done(result ? result : ng_submit_ping(ng, 0, payload));
}

static PyObject *session_goaway(PyObject *self, PyObject *unused) {
    (void)unused;
    nghttp2_session *ng = ((session *)self)->ng;
    return done(ng_submit_goaway(ng, 0, ng_session_get_last_proc_stream_id(ng), NO_ERROR, NULL, 0));
}

static PyObject *session_ping(PyObject *self, PyObject *unused) {
    (void)unused;
    return done(ng_submit_ping(((session *)self)->ng, 0, NULL));
}

static PyObject *session_over(PyObject *self, PyObject *unused) {
    session *s = (session *)self;
    (void)unused;
    return PyBool_FromLong((s->dead || !ng_session_want_read(s->ng)) && !ng_session_want_write(s->ng));
}

static PyObject *session_queued(PyObject *self, PyObject *unused) {
    (void)unused;
    return PyLong_FromSize_t(ng_session_get_outbound_queue_size(((session *)self)->ng));
}

static PyMethodDef session_methods[] = {
    {"feed", session_feed, METH_O, "feed(data): what came; the events, or None."},
    {"events", session_events, METH_NOARGS, "events(): those since, or None."},
    {"take", session_take, METH_O, "take(limit): bytes to write."},
    {"send", session_send, METH_VARARGS, "send(stream, message, compressed, last): the next message of an answer."},
    {"finish", session_finish, METH_VARARGS, "finish(stream, status, text): end a call; text is percent-encoded."},
    {"read", session_read, METH_O, "read(stream): (message, compressed) of a stream, or None."},
    {"notice", session_notice, METH_NOARGS, "notice(): ask the caller to go; a PONG follows."},
    {"goaway", session_goaway, METH_NOARGS, "goaway(): take no further call."},
    {"ping", session_ping, METH_NOARGS, "ping(): ask whether the caller is there."},
    {"over", session_over, METH_NOARGS, "over(): whether the connection is to be closed."},
    {"queued", session_queued, METH_NOARGS, "queued(): frames that wait to be written."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef session_members[] = {
    {"active", T_UINT, offsetof(session, active), READONLY, NULL},
    {"greeted", T_INT, offsetof(session, greeted), READONLY, NULL},
    {"dead", T_INT, offsetof(session, dead), READONLY, NULL},
    {"heading", T_INT, offsetof(session, heading), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMemberDef port_members[] = {
    {"open", T_UINT, offsetof(port, open), READONLY, NULL},
    {"held", T_PYSSIZET, offsetof(port, held), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot port_slots[] = {
    {Py_tp_new, port_new}, {Py_tp_dealloc, port_dealloc}, {Py_tp_members, port_members}, {0, NULL},
};
static PyType_Slot session_slots[] = {
    {Py_tp_new, session_new}, {Py_tp_dealloc, session_dealloc}, {Py_tp_methods, session_methods},
    {Py_tp_members, session_members}, {0, NULL},
};
static PyType_Spec port_spec = {"modelmoor_server.native._http2.Port", sizeof(port), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, port_slots};
static PyType_Spec session_spec = {"modelmoor_server.native._http2.Session", sizeof(session), 0,
                                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, session_slots};

static int set_up(PyObject *module) {
    static const struct {
        const char *name;
        long value;
    } numbers[] = {{"CALL", CALL}, {"OPENED", OPENED}, {"READABLE", READABLE}, {"HEARD", HEARD}, {"WRITTEN", WRITTEN},
                   {"GONE", GONE}, {"PONG", PONG}, {"COMPRESSED", COMPRESSED}, {"TAKES_GZIP", TAKES_GZIP},
                   {"ASKS_GZIP", ASKS_GZIP}, {"SENDS_GZIP", SENDS_GZIP}, {"SENDS_DEFLATE", SENDS_DEFLATE}};
    const char *missing = nghttp2_load();
    if (missing) {
        PyErr_Format(PyExc_ImportError, "%s was not found", missing);
        return -1;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (PyModule_AddIntConstant(module, numbers[i].name, numbers[i].value) < 0) return -1;
    PyObject *type = PyType_FromSpec(&session_spec);
    int result = type ? PyModule_AddObjectRef(module, "Session", type) : -1;
    Py_XDECREF(type);
    port_type = (PyTypeObject *)PyType_FromSpec(&port_spec); /* kept: sessions ask for it */
    return result < 0 || !port_type ? -1 : PyModule_AddObjectRef(module, "Port", (PyObject *)port_type);
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, set_up}, {0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_http2", "gRPC's side of an HTTP/2 connection.", 0, NULL,
                                    module_slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__http2(void) { return PyModuleDef_Init(&module); }
