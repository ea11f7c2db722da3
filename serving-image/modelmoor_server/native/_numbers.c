/* Cuts the numbers of a request out of its JSON: what is a regular nesting of lists of numbers becomes one array.

   Takes less than all of JSON on purpose, and gives up (None) on anything that it would not read as orjson and NumPy
   do, to the bit: they read the whole body then, and have the sentences for what is wrong with it.
   docs/decisions/0023-numbers-out-of-json.md */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <float.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 8        /* of lists; deeper nesting is left to others */
#define FEW 512        /* numbers on the stack */
#define RELEASE 32768  /* bytes of a body from which other threads may run meanwhile */

#if defined(__SIZEOF_INT128__) && FLT_EVAL_METHOD == 0 && DBL_MANT_DIG == 53
#define READS_NUMBERS 1
typedef unsigned __int128 u128;
#else
#define READS_NUMBERS 0 /* no exact arithmetic here: everything is left to others */
#endif

typedef struct {
    double *numbers;
    size_t count, room;
    int on_heap;
    int depth;                /* of the innermost lists */
    size_t shape[DEPTH + 1];  /* [1..depth] */
} tensor;

#if READS_NUMBERS

/* Exactly the powers that a double holds. */
static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define LARGEST_POWER 22
#define LARGEST_FIVE 27 /* 5^27 fits 63 bits */

static double power_of_two(int exponent) { /* within the normal ones */
    const uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* digits / 10^places, rounded once, half to even: by integers, with the remainder of the division in hand. */
static double divided(uint64_t digits, int places) {
    uint64_t five = 1;
    for (int i = 0; i < places; i++) five *= 5;
    const int zeros = __builtin_clzll(digits);
    const u128 dividend = (u128)(digits << zeros) << 64;
    const u128 quotient = dividend / five; /* at least 2^64 */
    const int sticky = quotient * five != dividend;
    const uint64_t high = (uint64_t)(quotient >> 64);
    const int bits = 128 - __builtin_clzll(high), drop = bits - 53;
    uint64_t kept = (uint64_t)(quotient >> drop);
    const u128 rest = quotient & (((u128)1 << drop) - 1), half = (u128)1 << (drop - 1);
    if (rest > half || (rest == half && (sticky || (kept & 1)))) kept++;
    return (double)kept * power_of_two(drop - 64 - zeros - places);
}

/* One number of JSON's grammar; where it ends, or NULL for what is none, or is none that can be read exactly here.
   The body ends with a zero byte, which no number contains. */
static const char *number(const char *at, double *out) {
    const int negative = *at == '-';
    uint64_t digits = 0;
    int places = 0, whole = 1;
    at += negative;
    const char *first = at;
    if (*at == '0') {
        at++;
    } else {
        while (*at >= '0' && *at <= '9') digits = digits * 10 + (uint64_t)(*at++ - '0');
        if (at == first) return NULL;
    }
    size_t count = *first == '0' ? 0 : (size_t)(at - first); /* digits that count: `digits` itself may have wrapped */
    if (*at == '.') {
        const char *point = ++at;
        while (!count && *at == '0') at++;
        const char *from = at;
        while (*at >= '0' && *at <= '9') digits = digits * 10 + (uint64_t)(*at++ - '0');
        if (at == point) return NULL;
        places = (int)(at - point < 64 ? at - point : 64);
        count += (size_t)(at - from);
        whole = 0;
    }
    if (count > 19) return NULL; /* may have passed 64 bits */
    if (*at == 'e' || *at == 'E') {
        const int minus = *++at == '-';
        int exponent = 0;
        if (minus || *at == '+') at++;
        const char *power = at;
        while (*at >= '0' && *at <= '9' && at - power < 4) exponent = exponent * 10 + (*at++ - '0');
        if (at == power || at - power == 4) return NULL;
        places += minus ? exponent : -exponent;
        whole = 0;
    }
    double value;
    if (digits == 0) {
        value = 0;
        if (whole && negative) { /* a whole number has one zero, as in Python */
            *out = 0;
            return at;
        }
    } else if (places == 0) {
        value = (double)digits;
    } else if (digits <= (1ULL << 53) && places > 0 && places <= LARGEST_POWER) {
        value = (double)digits / POWERS[places];
    } else if (digits <= (1ULL << 53) && places < 0 && -places <= LARGEST_POWER) {
        value = (double)digits * POWERS[-places];
    } else if (places > 0 && places <= LARGEST_FIVE) {
        value = divided(digits, places);
    } else {
        return NULL;
    }
    *out = negative ? -value : value;
    return at;
}

static const char *behind_space(const char *at) {
    while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') at++;
    return at;
}

static int keep(tensor *t, double value) {
    if (t->count == t->room) {
        const size_t room = t->room * 2;
        double *grown = room > PTRDIFF_MAX / sizeof(double) ? NULL : malloc(room * sizeof(double));
        if (!grown) return -1;
        memcpy(grown, t->numbers, t->count * sizeof(double));
        if (t->on_heap) free(t->numbers);
        t->numbers = grown;
        t->room = room;
        t->on_heap = 1;
    }
    t->numbers[t->count++] = value;
    return 0;
}

/* The lists that begin at `at`; where they end, or NULL where they are not regular, hold anything but numbers, or
   memory is out (the others will say so better). */
static const char *lists(const char *at, tensor *t) {
    size_t counts[DEPTH + 1];
    int depth = 0;
    for (;;) {
        at = behind_space(at);
        if (*at == '[') {
            if (t->depth ? depth >= t->depth : depth == DEPTH) return NULL;
            counts[++depth] = 0;
            t->shape[depth] = t->depth ? t->shape[depth] : 0;
            at++;
            continue;
        }
        double value;
        if (!(at = number(at, &value)) || keep(t, value) < 0) return NULL;
        if (!t->depth) t->depth = depth;
        if (depth != t->depth) return NULL;
        counts[depth]++;
        for (;;) {
            at = behind_space(at);
            if (*at == ',') {
                at++;
                break;
            }
            if (*at != ']') return NULL;
            at++;
            if (t->shape[depth] == 0) t->shape[depth] = counts[depth];
            if (t->shape[depth] != counts[depth]) return NULL;
            if (--depth == 0) return at;
            counts[depth]++;
        }
    }
}

/* Where the value of the first member of that name begins: behind `"name"`, a colon and spaces. */
static const char *value_of(const char *at, const char *end, const char *name, size_t length) {
    while ((size_t)(end - at) > length && (at = memchr(at, '"', (size_t)(end - at) - length))) {
        if (memcmp(at, name, length) == 0) {
            const char *colon = behind_space(at + length);
            if (*colon == ':') return behind_space(colon + 1);
        }
        at++;
    }
    return NULL;
}

#endif

static PyObject *cut(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    char *body, *name;
    Py_ssize_t size, length;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "cut(body, name) takes two arguments");
        return NULL;
    }
    if (PyBytes_AsStringAndSize(arguments[0], &body, &size) < 0 || PyBytes_AsStringAndSize(arguments[1], &name, &length) < 0)
        return NULL;
#if READS_NUMBERS
    double few[FEW];
    tensor t = {few, 0, FEW, 0, 0, {0}};
    const char *end = NULL, *begin = value_of(body, body + size, name, (size_t)length);
    if (begin && *begin == '[') {
        if (size >= RELEASE) { /* the arguments are immutable, and the caller holds them */
            Py_BEGIN_ALLOW_THREADS
            end = lists(begin, &t);
            Py_END_ALLOW_THREADS
        } else {
            end = lists(begin, &t);
        }
    }
    PyObject *answer = NULL;
    if (end) {
        PyObject *shape = PyTuple_New(t.depth);
        PyObject *numbers = PyByteArray_FromStringAndSize((const char *)t.numbers, (Py_ssize_t)(t.count * sizeof(double)));
        for (int i = 0; shape && i < t.depth; i++) {
            PyObject *length_of = PyLong_FromSize_t(t.shape[i + 1]);
            if (!length_of || PyTuple_SetItem(shape, i, length_of) < 0) Py_CLEAR(shape);
        }
        if (shape && numbers)
            answer = Py_BuildValue("nnOO", (Py_ssize_t)(begin - body), (Py_ssize_t)(end - body), shape, numbers);
        Py_XDECREF(shape);
        Py_XDECREF(numbers);
        if (t.on_heap) free(t.numbers);
        return answer;
    }
    if (t.on_heap) free(t.numbers);
#endif
    return Py_NewRef(Py_None);
}

static PyMethodDef functions[] = {
    {"cut", (PyCFunction)(void (*)(void))cut, METH_FASTCALL,
     "cut(body, name): (begin, end, shape, numbers) of the lists of numbers that are the first member so named; None "
     "where it is nothing like that, or holds what cannot be read exactly here."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_numbers", "Cuts numbers out of JSON.", 0, functions,
                                    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__numbers(void) { return PyModuleDef_Init(&module); }
