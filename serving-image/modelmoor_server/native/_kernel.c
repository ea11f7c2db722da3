/* Walks ensembles of decision trees: flat arrays, sums in the order in which scikit-learn makes them. And expit.

   Ensemble(trees, features, width, start, divisor, single) checks and copies the arrays once; call(x, out) walks.
   Nothing here knows scikit-learn: runtimes/sklearn/shortcuts/trees.py takes its trees apart,
   runtimes/flat/functions.py calls.
   docs/decisions/0018-native-trees.md says why this exists and what it must never do. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define LANES 16      /* walks at once: 4 and 8 were slower */
#define STRIDE 4      /* levels between two looks whether all walks have ended */
#define SCRATCH 1024  /* numbers on the stack; more are allocated for a call */
#define BLOCK 16384   /* numbers of one block of rows: they stay in the cache while all trees pass by */
#define RELEASE 20000 /* walks (rows times trees) from which other threads may run meanwhile */

/* Two children stand side by side, and a leaf is its own left child with a threshold that nothing is above: a step is
   the same at every node and has no branch. */
typedef struct {
    double threshold;
    int32_t left, feature;
} node;

typedef struct {
    int32_t root, depth, column; /* column: the sum that its values begin at */
} tree;

typedef struct {
    PyObject_HEAD
    size_t features, trees, columns, width; /* width: values of a leaf, either one or one a column */
    int single;                             /* rows are rounded to float before they are compared */
    double divisor;
    double *start;  /* [columns] */
    tree *tree;     /* [trees] */
    node *nodes;    /* the trees one behind the other */
    int32_t *leaf;  /* [nodes] index into values of a leaf */
    double *values; /* [leaves][width] */
} ensemble;

typedef struct {
    double *out;
    size_t row, column; /* strides, in numbers */
} sums;

static inline void add(const ensemble *e, size_t t, int32_t node, size_t row, sums into) {
    const double *value = e->values + (size_t)e->leaf[node] * e->width;
    double *out = into.out + row * into.row;
    if (e->width == 1) {
        out[(size_t)e->tree[t].column * into.column] += *value;
    } else {
        for (size_t c = 0; c < e->width; c++) out[c] += value[c];
    }
}

/* `x > threshold` and not `!(x <= threshold)`: should NaN get here, it goes left and stays inside the arrays. */
static inline int32_t step(const node *nodes, int32_t at, const double *x) {
    const node *here = nodes + at;
    return here->left + (x[here->feature] > here->threshold);
}

/* LANES walks at once, for the processor to work at one while another waits for memory, each in its tree (at: the
   roots on entry, the leaves on return) with its row (x, x + apart, ...). Few leaves are as deep as the deepest: now
   and then it is looked whether all have arrived. */
static inline void descend(const node *nodes, int32_t depth, const double *x, size_t apart, int32_t at[LANES]) {
    for (int32_t level = 0, moved = 1; level < depth && moved; level++) {
        for (int some = 1; some < STRIDE && level < depth - 1; some++, level++)
            for (int lane = 0; lane < LANES; lane++) at[lane] = step(nodes, at[lane], x + lane * apart);
        moved = 0;
        for (int lane = 0; lane < LANES; lane++) {
            const int32_t next = step(nodes, at[lane], x + lane * apart);
            moved |= next ^ at[lane];
            at[lane] = next;
        }
    }
}

/* Adds every tree's value to the sums of each row, in the order of the trees. Many rows go together through a tree;
   the rows left over go one by one through many trees. */
static void add_all(const ensemble *e, const double *x, size_t rows, sums into) {
    const size_t apart = e->features, together = rows / LANES * LANES;
    int32_t at[LANES];
    for (size_t t = 0; t < e->trees && together; t++)
        for (size_t row = 0; row < together; row += LANES) {
            for (int lane = 0; lane < LANES; lane++) at[lane] = e->tree[t].root;
            descend(e->nodes, e->tree[t].depth, x + row * apart, apart, at);
            for (int lane = 0; lane < LANES; lane++) add(e, t, at[lane], row + lane, into);
        }
    for (size_t row = together; row < rows; row++)
        for (size_t t = 0; t < e->trees; t += LANES) {
            int32_t depth = 0;
            for (size_t lane = 0; lane < LANES; lane++) {
                const tree *each = e->tree + (t + lane < e->trees ? t + lane : t);
                at[lane] = each->root;
                if (each->depth > depth) depth = each->depth;
            }
            descend(e->nodes, depth, x + row * apart, 0, at);
            for (size_t lane = 0; lane < LANES && t + lane < e->trees; lane++) add(e, t + lane, at[lane], row, into);
        }
}

/* ---- construction ---- */

static int refuse(const char *sentence) {
    PyErr_SetString(PyExc_ValueError, sentence);
    return -1;
}

/* A C-contiguous buffer of 8-byte integers or doubles. */
static int view(PyObject *object, Py_buffer *buffer, int integers, int writable) {
    if (PyObject_GetBuffer(object, buffer, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0)) < 0) {
        buffer->obj = NULL;
        return -1;
    }
    const char *format = buffer->format ? buffer->format : "B";
    /* what a request brought as bytes may state its order aloud, though it is this machine's */
    if (*format == '@' || *format == '=' || *format == (PY_LITTLE_ENDIAN ? '<' : '>')) format++;
    if (buffer->itemsize == 8 && format[1] == '\0' && strchr(integers ? "lq" : "d", format[0])) return 0;
    PyBuffer_Release(buffer);
    buffer->obj = NULL;
    return refuse(integers ? "an array of int64 is needed" : "an array of float64 is needed");
}

typedef struct {
    Py_buffer left, right, feature, threshold, value;
} source;

static void release(source *s) {
    Py_buffer *all[] = {&s->left, &s->right, &s->feature, &s->threshold, &s->value};
    for (int i = 0; i < 5; i++)
        if (all[i]->obj) PyBuffer_Release(all[i]);
}

static int open_source(PyObject *item, source *s) {
    PyObject *part[5];
    memset(s, 0, sizeof *s);
    if (!PyTuple_Check(item) || PyTuple_Size(item) != 5) return refuse("a tree is a tuple of five arrays");
    for (int i = 0; i < 5; i++) part[i] = PyTuple_GetItem(item, i);
    if (view(part[0], &s->left, 1, 0) < 0 || view(part[1], &s->right, 1, 0) < 0 || view(part[2], &s->feature, 1, 0) < 0 ||
        view(part[3], &s->threshold, 0, 0) < 0 || view(part[4], &s->value, 0, 0) < 0) {
        release(s);
        return -1;
    }
    return 0;
}

static int grow(void **array, size_t count, size_t size) {
    void *grown = count > PY_SSIZE_T_MAX / size ? NULL : PyMem_Realloc(*array, count * size);
    if (!grown) {
        PyErr_NoMemory();
        return -1;
    }
    *array = grown;
    return 0;
}

/* Copies one tree behind the others, level by level. Each node may be reached once: what is left is a tree, acyclic,
   and every index in it was looked at. nodes, leaves: how many there are so far. */
static int append(ensemble *e, size_t t, const source *s, size_t *nodes, size_t *leaves) {
    const size_t count = (size_t)s->left.len / 8, base = *nodes;
    const int64_t *left = s->left.buf, *right = s->right.buf, *feature = s->feature.buf;
    const double *threshold = s->threshold.buf, *value = s->value.buf;
    const double above_all = Py_HUGE_VAL;
    int32_t *queue = NULL;
    char *seen = NULL;
    int result = -1;
    if (count == 0 || s->right.len != s->left.len || s->feature.len != s->left.len || s->threshold.len != s->left.len ||
        count > PY_SSIZE_T_MAX / 8 / e->width || (size_t)s->value.len != 8 * count * e->width)
        return refuse("the arrays of a tree are not of one length");
    if (count > INT32_MAX - base) return refuse("there are more nodes than 32 bits can count");
    if (grow((void **)&e->nodes, base + count, sizeof(node)) < 0 ||
        grow((void **)&e->leaf, base + count, sizeof(int32_t)) < 0 ||
        grow((void **)&e->values, (*leaves + count) * e->width, sizeof(double)) < 0 ||
        grow((void **)&queue, count, sizeof(int32_t)) < 0 || grow((void **)&seen, count, 1) < 0)
        goto done;
    memset(seen, 0, count);
    queue[0] = 0;
    seen[0] = 1;
    size_t queued = 1, level = 1; /* level: where the nodes of the next level begin */
    int32_t depth = 0;
    for (size_t i = 0; i < queued; i++) {
        const size_t from = (size_t)queue[i];
        const int64_t l = left[from], r = right[from];
        const int32_t at = (int32_t)(base + i);
        if (i == level) {
            level = queued;
            depth++;
        }
        if (l == -1) {
            e->nodes[at] = (node){above_all, at, 0};
            e->leaf[at] = (int32_t)*leaves;
            memcpy(e->values + (*leaves)++ * e->width, value + from * e->width, e->width * sizeof(double));
            continue;
        }
        if (l < 0 || r < 0 || (uint64_t)l >= count || (uint64_t)r >= count || l == r || seen[l] || seen[r]) {
            refuse("the children of a node are not two nodes of their own");
            goto done;
        }
        if (feature[from] < 0 || (uint64_t)feature[from] >= e->features || threshold[from] != threshold[from]) {
            refuse("a node compares a feature that is not there, or with a threshold that is no number");
            goto done;
        }
        e->nodes[at] = (node){threshold[from], (int32_t)(base + queued), (int32_t)feature[from]};
        e->leaf[at] = 0;
        seen[l] = seen[r] = 1;
        queue[queued++] = (int32_t)l;
        queue[queued++] = (int32_t)r;
    }
    e->tree[t] = (tree){(int32_t)base, depth, e->width == 1 ? (int32_t)(t % e->columns) : 0};
    *nodes = base + queued;
    result = 0;
done:
    PyMem_Free(queue);
    PyMem_Free(seen);
    return result;
}

static int build(ensemble *e, PyObject *trees) {
    size_t nodes = 0, leaves = 0;
    if (grow((void **)&e->tree, e->trees, sizeof(tree)) < 0) return -1;
    for (size_t t = 0; t < e->trees; t++) {
        source s;
        PyObject *item = PyTuple_GetItem(trees, (Py_ssize_t)t);
        if (!item || open_source(item, &s) < 0) return -1;
        const int result = append(e, t, &s, &nodes, &leaves);
        release(&s);
        if (result < 0) return -1;
    }
    return grow((void **)&e->nodes, nodes, sizeof(node)) < 0 ||
                   grow((void **)&e->leaf, nodes, sizeof(int32_t)) < 0 ||
                   grow((void **)&e->values, leaves * e->width, sizeof(double)) < 0
               ? -1
               : 0;
}

static PyObject *ensemble_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"trees", "features", "width", "start", "divisor", "single", NULL};
    PyObject *trees, *start;
    Py_ssize_t features, width;
    double divisor;
    int single;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!nnOdp", names, &PyTuple_Type, &trees, &features, &width, &start,
                                     &divisor, &single))
        return NULL;
    ensemble *e = (ensemble *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!e) return NULL;
    Py_buffer first;
    if (view(start, &first, 0, 0) < 0) goto failed;
    e->columns = (size_t)first.len / 8;
    e->trees = (size_t)PyTuple_Size(trees);
    e->features = (size_t)features;
    e->width = (size_t)width;
    e->single = single;
    e->divisor = divisor;
    int result = -1;
    if (e->trees == 0 || e->columns == 0 || features < 1 || features > INT32_MAX || (e->width != 1 && e->width != e->columns) ||
        !(divisor > 0))
        refuse("there is no tree, no feature or no column, or a leaf has another number of values");
    else if (grow((void **)&e->start, e->columns, sizeof(double)) == 0) {
        memcpy(e->start, first.buf, e->columns * sizeof(double));
        result = build(e, trees);
    }
    PyBuffer_Release(&first);
    if (result == 0) return (PyObject *)e;
failed:
    Py_DECREF(e);
    return NULL;
}

static void ensemble_dealloc(PyObject *self) {
    ensemble *e = (ensemble *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyMem_Free(e->start);
    PyMem_Free(e->tree);
    PyMem_Free(e->nodes);
    PyMem_Free(e->leaf);
    PyMem_Free(e->values);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

/* ---- a call ---- */

/* Whether all are finite: the difference of a number with itself is 0, but for infinities and NaN. */
static int all_finite(const double *x, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += x[i] - x[i];
    return sum == 0;
}

static int rounded(const double *x, size_t count, double *into) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        into[i] = (float)x[i];
        sum += into[i] - into[i];
    }
    return sum == 0;
}

/* Rows at a time. */
static size_t block_of(const ensemble *e, size_t rows) {
    const size_t block = BLOCK / e->features / LANES * LANES;
    return rows <= LANES || rows < block ? rows : block < LANES ? LANES : block;
}

/* Whether all numbers are finite (as float, where the trees take floats). scratch: for a block of those. */
static int walk(const ensemble *e, const double *x, size_t rows, sums into, double *scratch) {
    const size_t block = block_of(e, rows);
    for (size_t row = 0; row < rows; row++)
        for (size_t c = 0; c < e->columns; c++) into.out[row * into.row + c * into.column] = e->start[c];
    for (size_t done = 0; done < rows; done += block) {
        const size_t some = rows - done < block ? rows - done : block;
        const double *from = x + done * e->features;
        const sums here = {into.out + done * into.row, into.row, into.column};
        if (!(e->single ? rounded(from, some * e->features, scratch) : all_finite(from, some * e->features))) return 0;
        add_all(e, e->single ? scratch : from, some, here);
    }
    if (e->divisor != 1)
        for (size_t i = 0; i < rows * e->columns; i++) into.out[i] /= e->divisor;
    return 1;
}

static PyObject *ensemble_run(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    const ensemble *e = (const ensemble *)self;
    Py_buffer x, out;
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "run(x, out, by_column) takes three arguments");
        return NULL;
    }
    const int by_column = PyObject_IsTrue(arguments[2]);
    if (by_column < 0 || view(arguments[0], &x, 0, 0) < 0) return NULL;
    if (view(arguments[1], &out, 0, 1) < 0) {
        PyBuffer_Release(&x);
        return NULL;
    }
    const size_t rows = (size_t)x.len / 8 / e->features;
    double few[SCRATCH], *scratch = few;
    PyObject *answer = NULL;
    if ((size_t)x.len != rows * e->features * 8 || (size_t)out.len / 8 / e->columns != rows ||
        (size_t)out.len != rows * e->columns * 8 || (by_column && e->width != 1)) {
        refuse("x has another number of features, or out is not of its rows and the columns");
        goto done;
    }
    const size_t numbers = e->single ? block_of(e, rows) * e->features : 0;
    if (numbers > SCRATCH && !(scratch = PyMem_Malloc(numbers * sizeof(double)))) {
        PyErr_NoMemory();
        goto done;
    }
    const sums into = by_column ? (sums){out.buf, 1, rows} : (sums){out.buf, e->columns, 1};
    int fits;
    if (rows > RELEASE / e->trees) {
        Py_BEGIN_ALLOW_THREADS
        fits = walk(e, x.buf, rows, into, scratch);
        Py_END_ALLOW_THREADS
    } else {
        fits = walk(e, x.buf, rows, into, scratch);
    }
    answer = PyBool_FromLong(fits);
    if (scratch != few) PyMem_Free(scratch);
done:
    PyBuffer_Release(&x);
    PyBuffer_Release(&out);
    return answer;
}

/* SciPy's own arithmetic (xsf/log_exp.h), by the same C library: NumPy's exp differs in the last bit. */
static PyObject *expit(PyObject *Py_UNUSED(module), PyObject *array) {
    Py_buffer x;
    if (view(array, &x, 0, 1) < 0) return NULL;
    double *numbers = x.buf;
    for (Py_ssize_t i = 0; i < x.len / 8; i++) numbers[i] = 1 / (1 + exp(-numbers[i]));
    PyBuffer_Release(&x);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"expit", expit, METH_O, "expit(x): 1 / (1 + exp(-x)) of each number of x (float64, C-contiguous), in place."},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef methods[] = {
    {"run", (PyCFunction)(void (*)(void))ensemble_run, METH_FASTCALL,
     "run(x, out, by_column): the sums of every row of x into out, a row or a column after the other. False, and out "
     "is void, where a number is not finite (as float32, for single)."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Ensemble(trees, features, width, start, divisor, single): trees, checked and copied."},
    {Py_tp_new, ensemble_new},
    {Py_tp_dealloc, ensemble_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {"modelmoor_server.native._kernel.Ensemble", sizeof(ensemble), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, slots};

static int set_up(PyObject *module) {
    PyObject *type = PyType_FromSpec(&spec);
    const int result = type ? PyModule_AddObjectRef(module, "Ensemble", type) : -1;
    Py_XDECREF(type);
    return result;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, set_up}, {0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_kernel", "Walks ensembles of decision trees.", 0, functions,
                                    module_slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&module); }
