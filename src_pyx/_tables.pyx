# cython: auto_pickle=False, autotestdict=False, embedsignature=False
"""Rows of plain CSV files. Private: gammacore.data.plain_csv is its public face."""

cimport numpy as cnp
import numpy as np
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free

cnp.import_array()

cdef extern from "csv_rows.h" nogil:
    enum:
        GC_SKIPPED
        GC_NUMBERS
        GC_TIMES
        GC_TEXTS
        GC_NO_MEMORY

    ctypedef struct gc_cell:
        const char *text
        int64_t length

    ctypedef struct gc_column:
        int kind
        double *number
        int64_t *time
        int32_t *code
        gc_cell *texts
        int32_t *slots
        int32_t count

    int64_t gc_rows(const char *s, const char *end, gc_column *columns, int count, int64_t room)

KINDS = {"number": GC_NUMBERS, "time": GC_TIMES, "text": GC_TEXTS}


def read_rows(bytes content not None, Py_ssize_t start, list kinds not None):
    """Read the rows of a plain CSV file.

    Parameters
    ----------
    content : bytes
        The file.
    start : int
        Where the first row begins.
    kinds : list of str or None
        Of each column of the file: number, time or text; None for one that is not wanted.

    Returns
    -------
    list
        For each wanted column an array of float64, of int64 nanoseconds, or codes (int32) and the list of
        texts that they count, in the order in which they come. None in place of it all if a row is not plain.
    """
    cdef int count = len(kinds), i, k
    cdef Py_ssize_t size = PyBytes_GET_SIZE(content)
    cdef const char *text = PyBytes_AS_STRING(content)
    cdef int64_t rows, room = content.count(b"\n", start) + (size > start and text[size - 1] != b"\n")
    cdef gc_column *columns = <gc_column *>PyMem_Calloc(count + 1, sizeof(gc_column))
    cdef cnp.ndarray array
    if columns == NULL:
        raise MemoryError
    arrays = []
    try:
        for i in range(count):
            if kinds[i] is None:
                continue
            columns[i].kind = KINDS[kinds[i]]
            array = np.empty(room, {"number": np.float64, "time": np.int64, "text": np.int32}[kinds[i]])
            columns[i].number = <double *>cnp.PyArray_DATA(array)
            columns[i].time = <int64_t *>cnp.PyArray_DATA(array)
            columns[i].code = <int32_t *>cnp.PyArray_DATA(array)
            arrays.append(array)
        with nogil:
            rows = gc_rows(text + start, text + size, columns, count, room)
        if rows == GC_NO_MEMORY:
            raise MemoryError
        if rows != room:
            return None
        k = 0
        for i in range(count):
            if columns[i].kind == GC_TEXTS:
                arrays[k] = arrays[k], [
                    columns[i].texts[j].text[:columns[i].texts[j].length].decode()
                    for j in range(columns[i].count)
                ]
            k += columns[i].kind != GC_SKIPPED
        return arrays
    finally:
        for i in range(count):
            free(columns[i].texts)
            free(columns[i].slots)
        PyMem_Free(columns)
