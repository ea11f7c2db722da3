"""The server on a machine without IPv6: the kernel answers as there, whatever library asks for a socket.

A filter of system calls (seccomp) lets `socket(AF_INET6, ...)` fail; the server is then run as `-m modelmoor_server`.
"""

import ctypes
import errno
import platform
import runpy
import socket
import struct

SOCKET_CALL = {"x86_64": 41, "aarch64": 198}  # its number by machine
NUMBER, FIRST_ARGUMENT = 0, 16  # offsets in struct seccomp_data
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2


def forbid_ipv6() -> None:
    """From here on this process and its children can make no IPv6 socket. Raises OSError where the kernel refuses."""
    steps = (
        (LOAD, 0, 0, NUMBER),
        (JUMP_IF_EQUAL, 0, 3, SOCKET_CALL[platform.machine()]),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (JUMP_IF_EQUAL, 0, 1, socket.AF_INET6),
        (RETURN, 0, 0, FAIL | errno.EAFNOSUPPORT),
        (RETURN, 0, 0, ALLOW),
    )
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    described = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)
    for option, first, second in ((PR_SET_NO_NEW_PRIVS, 1, None), (PR_SET_SECCOMP, MODE_FILTER, described)):
        if libc.prctl(option, ctypes.c_ulong(first), second, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    forbid_ipv6()
    runpy.run_module("modelmoor_server", run_name="__main__", alter_sys=True)
