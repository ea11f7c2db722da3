"""The compiled part of the server, and whether this installation has it: all works without, some of it slower.

It is absent where no C compiler was found at installation; `python -m modelmoor_server.native.build` adds it then.
"""

try:
    from modelmoor_server.native._kernel import Ensemble
except ImportError:  # not built, or built for another platform
    available: bool = False
else:
    available = True

__all__ = ["Ensemble", "available"]
