# Declarations and argument handling shared by _black.pyx and _implied.pyx.
# Included as text: a cdef function implemented in one extension cannot be cimported
# by another from this flat folder.

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.float cimport PyFloat_Check
from cpython.long cimport PyLong_Check
from cpython.unicode cimport PyUnicode_Check

cdef extern from "inputs.h" nogil:
    enum:
        GC_BLACK76
        GC_BLACK_SCHOLES
        GC_INVERSE
        GC_OUTPUTS

    ctypedef struct gc_column:
        const double *data
        ptrdiff_t step

    ctypedef struct gc_inputs:
        const signed char *kind
        ptrdiff_t kind_step
        gc_column underlying
        gc_column strike
        gc_column tau
        gc_column vol
        gc_column rate
        gc_column dividend


cdef inline bint is_number(object value) noexcept:
    return PyFloat_Check(value) or PyLong_Check(value)


cdef object bad_kind(object kind):
    return ValueError(f"kind must be +1, -1, 'call', 'put', 'c' or 'p', got {kind!r}")


cdef int kind_sign(object kind) except -2:
    """+1 or -1; 0 if `kind` is not one plain value (an array, say)."""
    if PyUnicode_Check(kind):
        if kind == "call" or kind == "c":
            return 1
        if kind == "put" or kind == "p":
            return -1
        lowered = kind.lower()
        if lowered == "call" or lowered == "c":
            return 1
        if lowered == "put" or lowered == "p":
            return -1
    elif is_number(kind):
        if kind == 1:
            return 1
        if kind == -1:
            return -1
    else:
        return 0
    raise bad_kind(kind)


# One option: the numbers live here and the columns point at them.
cdef struct single:
    signed char kind
    double values[6]
    gc_inputs inputs


cdef inline void set_column(gc_column *column, double *value) noexcept:
    column.data = value
    column.step = 0


cdef bint fill_single(single *one, object kind, object underlying, object strike, object tau, object vol,
                      object rate, object dividend) except -1:
    """Fill `one`; False if any argument is not a plain number."""
    cdef int sign = kind_sign(kind)
    if sign == 0 or not (is_number(underlying) and is_number(strike) and is_number(tau) and is_number(vol)
                         and is_number(rate) and is_number(dividend)):
        return False
    one.kind = <signed char>sign
    one.values[0] = underlying
    one.values[1] = strike
    one.values[2] = tau
    one.values[3] = vol
    one.values[4] = rate
    one.values[5] = dividend
    one.inputs.kind = &one.kind
    one.inputs.kind_step = 0
    set_column(&one.inputs.underlying, &one.values[0])
    set_column(&one.inputs.strike, &one.values[1])
    set_column(&one.inputs.tau, &one.values[2])
    set_column(&one.inputs.vol, &one.values[3])
    set_column(&one.inputs.rate, &one.values[4])
    set_column(&one.inputs.dividend, &one.values[5])
    return True


cdef class _Columns:
    """Buffers of one array call: seven inputs of n values or one, released with the object."""

    cdef Py_buffer views[7 + 10]
    cdef int held
    cdef gc_inputs inputs
    cdef Py_ssize_t n

    def __dealloc__(self):
        for i in range(self.held):
            PyBuffer_Release(&self.views[i])

    cdef Py_buffer *hold(self, object array, int flags, const char *typecode, Py_ssize_t size) except NULL:
        """Take a contiguous buffer; its size must be n, or 1 where size allows it."""
        cdef Py_buffer *view = &self.views[self.held]
        PyObject_GetBuffer(array, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | flags)
        self.held += 1
        if view.format[0] != typecode[0] or view.format[1] != 0:
            raise TypeError("unexpected element type")
        if view.len // view.itemsize != size:
            raise ValueError("unexpected array length")
        return view

    cdef int column(self, object array, gc_column *column) except -1:
        cdef Py_ssize_t size = len(array)
        cdef Py_buffer *view = self.hold(array, 0, b"d", 1 if size == 1 else self.n)
        column.data = <const double *>view.buf
        column.step = 0 if size == 1 else 1
        return 0

    cdef int open(self, Py_ssize_t n, object kind, object underlying, object strike, object tau, object vol,
                  object rate, object dividend) except -1:
        cdef Py_ssize_t i, size = len(kind)
        self.n = n
        self.inputs.kind = <const signed char *>self.hold(kind, 0, b"b", 1 if size == 1 else n).buf
        self.inputs.kind_step = 0 if size == 1 else 1
        for i in range(size):
            if self.inputs.kind[i] != 1 and self.inputs.kind[i] != -1:
                raise bad_kind(int(self.inputs.kind[i]))
        self.column(underlying, &self.inputs.underlying)
        self.column(strike, &self.inputs.strike)
        self.column(tau, &self.inputs.tau)
        self.column(vol, &self.inputs.vol)
        self.column(rate, &self.inputs.rate)
        self.column(dividend, &self.inputs.dividend)
        return 0

    cdef double *output(self, object array) except? NULL:
        return <double *>self.hold(array, PyBUF_WRITABLE, b"d", self.n).buf
