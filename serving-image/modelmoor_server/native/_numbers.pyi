def cut(body: bytes, name: bytes, /) -> tuple[int, int, tuple[int, ...], bytearray] | None:
    """The numbers of the first member of that name: (begin, end, shape, numbers).

    name: with its quotes (`b'"instances"'`). Its value is body[begin:end], a list, or regular nested lists, of numbers,
    none of them empty; numbers: float64, row-major. Each is what Python's float() makes of its text, and 0 for -0.
    None where the value is anything else, or holds numbers of more than 19 digits or far exponents. What stands before
    and behind is not looked at: whether the body is JSON, and where the member stands, is for the caller to check.
    From 32 KiB on other threads run meanwhile.
    """
