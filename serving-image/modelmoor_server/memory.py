"""What the collector of reference cycles need not walk.

Libraries bring 130,000 objects (scikit-learn) to 360,000 (TensorFlow), which live as long as the process: walking them
stops every thread for tenths of a second. A model brings some thousands, which go with it when it is unloaded. So
libraries are frozen once they are imported, and models never.
"""

import ctypes
import gc

_frozen: set[str] = set()


def freeze_library(name: str) -> None:
    """A framework has been imported and no model of it read: set aside what is there, once a framework."""
    if name in _frozen:
        return
    _frozen.add(name)
    gc.collect()
    gc.freeze()
    # Rarer collections: parsing 8 MiB of JSON rows set off so many that it took 0.31 s instead of 0.15 s.
    gc.set_threshold(20_000, 20, 50)


def collect_model() -> None:
    """Give back what a model that was loaded or has left holds in cycles; about a millisecond.

    And let the C library give free pages back to the machine: each load runs on a thread of its own, for which glibc
    keeps a heap of its own. 60 loads of a forest of 28 MB grew a process from 255 to 416 MB without this.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # other C libraries have no such call
        trim(0)
