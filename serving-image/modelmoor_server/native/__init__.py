"""The compiled parts of the server, and whether this installation has them: all works without, some of it slower.

_kernel.c   walks trees; SciPy's expit
_numbers.c  cuts numbers out of JSON
_http2.c    gRPC's side of HTTP/2; grpc/port.py asks for it, because it brings libnghttp2 into the process

They are absent where no C compiler was found at installation; `python -m modelmoor_server.native.build` adds them then.
"""

try:
    from modelmoor_server.native._kernel import Ensemble, expit
    from modelmoor_server.native._numbers import cut
except ImportError:  # not built, or built for another platform
    available: bool = False
else:
    available = True

__all__ = ["Ensemble", "available", "cut", "expit"]
