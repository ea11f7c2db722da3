"""What the collector of reference cycles need not walk.

Libraries bring 130,000 objects (scikit-learn) to 360,000 (TensorFlow), which live as long as the process: walking them
stops every thread for tenths of a second. A model brings some thousands, which go with it when it is unloaded. So
libraries are frozen once they are imported, and models never.
"""

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
    """Give back what a model that was loaded or has left holds in cycles; about a millisecond."""
    gc.collect()
