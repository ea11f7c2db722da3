/* What is used of libnghttp2, declared here and found at run time: no header is needed to build, and a machine without
   the library has the server all the same. Its ABI is kept since libnghttp2.so.14:
   https://nghttp2.org/documentation/apiref.html */

#ifndef MODELMOOR_NGHTTP2_H
#define MODELMOOR_NGHTTP2_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct nghttp2_session nghttp2_session;
typedef struct nghttp2_callbacks nghttp2_callbacks;
typedef struct nghttp2_option nghttp2_option;

typedef struct {
    size_t length;
    int32_t stream_id;
    uint8_t type, flags, reserved;
} nghttp2_frame_hd; /* every frame begins with it */

typedef struct {
    uint8_t *name, *value;
    size_t namelen, valuelen;
    uint8_t flags;
} nghttp2_nv;

typedef struct {
    int32_t settings_id;
    uint32_t value;
} nghttp2_settings_entry;

typedef union {
    int fd;
    void *ptr;
} nghttp2_data_source;

typedef ssize_t (*nghttp2_read)(nghttp2_session *, int32_t, uint8_t *, size_t, uint32_t *, nghttp2_data_source *, void *);

typedef struct {
    nghttp2_data_source source;
    nghttp2_read read;
} nghttp2_data_provider;

typedef int (*nghttp2_on_frame)(nghttp2_session *, const nghttp2_frame_hd *, void *);
typedef int (*nghttp2_on_header)(nghttp2_session *, const nghttp2_frame_hd *, const uint8_t *, size_t, const uint8_t *,
                                 size_t, uint8_t, void *);
typedef int (*nghttp2_on_data)(nghttp2_session *, uint8_t, int32_t, const uint8_t *, size_t, void *);
typedef int (*nghttp2_on_close)(nghttp2_session *, int32_t, uint32_t, void *);

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION };
enum { END_STREAM = 1, ACK = 1 };
enum { MAX_CONCURRENT_STREAMS = 3, INITIAL_WINDOW_SIZE = 4, MAX_HEADER_LIST_SIZE = 6 };
enum { NO_COPY_NAME = 2, NO_COPY_VALUE = 4 };
enum { DATA_EOF = 1, DATA_NO_END_STREAM = 2 };
enum { NO_ERROR = 0, ENHANCE_YOUR_CALM = 11 };
enum { ERR_DEFERRED = -508, ERR_NOMEM = -901, ERR_CALLBACK_FAILURE = -902 };

/* result, name, parameters */
#define NGHTTP2_FUNCTIONS(X)                                                                                           \
    X(int, session_callbacks_new, (nghttp2_callbacks **))                                                              \
    X(void, session_callbacks_del, (nghttp2_callbacks *))                                                              \
    X(void, session_callbacks_set_on_begin_frame_callback, (nghttp2_callbacks *, nghttp2_on_frame))                    \
    X(void, session_callbacks_set_on_begin_headers_callback, (nghttp2_callbacks *, nghttp2_on_frame))                  \
    X(void, session_callbacks_set_on_header_callback, (nghttp2_callbacks *, nghttp2_on_header))                        \
    X(void, session_callbacks_set_on_frame_recv_callback, (nghttp2_callbacks *, nghttp2_on_frame))                     \
    X(void, session_callbacks_set_on_frame_send_callback, (nghttp2_callbacks *, nghttp2_on_frame))                     \
    X(void, session_callbacks_set_on_data_chunk_recv_callback, (nghttp2_callbacks *, nghttp2_on_data))                 \
    X(void, session_callbacks_set_on_stream_close_callback, (nghttp2_callbacks *, nghttp2_on_close))                   \
    X(int, option_new, (nghttp2_option **))                                                                            \
    X(void, option_del, (nghttp2_option *))                                                                            \
    X(void, option_set_no_auto_window_update, (nghttp2_option *, int))                                                 \
    X(void, option_set_no_closed_streams, (nghttp2_option *, int))                                                     \
    X(void, option_set_max_outbound_ack, (nghttp2_option *, size_t))                                                   \
    X(void, option_set_max_settings, (nghttp2_option *, size_t))                                                       \
    X(int, session_server_new2, (nghttp2_session **, const nghttp2_callbacks *, void *, const nghttp2_option *))       \
    X(void, session_del, (nghttp2_session *))                                                                          \
    X(ssize_t, session_mem_recv, (nghttp2_session *, const uint8_t *, size_t))                                         \
    X(ssize_t, session_mem_send, (nghttp2_session *, const uint8_t **))                                                \
    X(int, session_want_read, (nghttp2_session *))                                                                     \
    X(int, session_want_write, (nghttp2_session *))                                                                    \
    X(size_t, session_get_outbound_queue_size, (nghttp2_session *))                                                    \
    X(int32_t, session_get_last_proc_stream_id, (nghttp2_session *))                                                   \
    X(void *, session_get_stream_user_data, (nghttp2_session *, int32_t))                                              \
    X(int, session_set_stream_user_data, (nghttp2_session *, int32_t, void *))                                         \
    X(int, session_set_local_window_size, (nghttp2_session *, uint8_t, int32_t, int32_t))                              \
    X(int, session_consume_connection, (nghttp2_session *, size_t))                                                    \
    X(int, session_consume_stream, (nghttp2_session *, int32_t, size_t))                                               \
    X(int, session_resume_data, (nghttp2_session *, int32_t))                                                          \
    X(int, submit_settings, (nghttp2_session *, uint8_t, const nghttp2_settings_entry *, size_t))                      \
    X(int, submit_response, (nghttp2_session *, int32_t, const nghttp2_nv *, size_t, const nghttp2_data_provider *))   \
    X(int, submit_trailer, (nghttp2_session *, int32_t, const nghttp2_nv *, size_t))                                   \
    X(int, submit_rst_stream, (nghttp2_session *, uint8_t, int32_t, uint32_t))                                         \
    X(int, submit_shutdown_notice, (nghttp2_session *))                                                                \
    X(int, submit_goaway, (nghttp2_session *, uint8_t, int32_t, uint32_t, const uint8_t *, size_t))                    \
    X(int, submit_ping, (nghttp2_session *, uint8_t, const uint8_t *))

#define X(result, name, parameters) static result(*ng_##name) parameters;
NGHTTP2_FUNCTIONS(X)
#undef X
/* not in every release: without it, the library's own bound of resets holds beside ours, where it has one */
static void (*ng_option_set_stream_reset_rate_limit)(nghttp2_option *, uint64_t, uint64_t);

/* Finds the library; NULL, or what is missing. POSIX says that a pointer from dlsym may be a function's. */
static const char *nghttp2_load(void) {
    static const char *const names[] = {"libnghttp2.so.14", "libnghttp2.14.dylib"};
    void *library = NULL, *symbol;
    for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++) library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!library) return "libnghttp2.so.14";
#define X(result, name, parameters)                                                                                    \
    if (!(symbol = dlsym(library, "nghttp2_" #name))) return "nghttp2_" #name;                                         \
    *(void **)&ng_##name = symbol;
    NGHTTP2_FUNCTIONS(X)
#undef X
    *(void **)&ng_option_set_stream_reset_rate_limit = dlsym(library, "nghttp2_option_set_stream_reset_rate_limit");
    return NULL;
}

#endif
