"""Functions inside models that behave badly; both this file and the server's process import it."""

import hashlib
import logging
import os
import time
import warnings

import numpy as np

TRAINING = (np.array([[0.0], [1.0]]), [0.0, 1.0])


def slow(x: np.ndarray) -> np.ndarray:
    """Takes as many seconds as its largest value says, up to ten."""
    time.sleep(min(float(np.max(x)), 10.0) if len(x) else 0.0)
    return x


def burning(x: np.ndarray) -> np.ndarray:
    """Takes as many milliseconds of a core as BURN says, without the interpreter: a model of some milliseconds."""
    end = time.thread_time() + float(os.environ.get("BURN", "1")) / 1000
    while time.thread_time() < end:
        hashlib.pbkdf2_hmac("sha256", b"", b"", 200)
    return x


def raising(x: np.ndarray) -> np.ndarray:
    """Raises on 13, with the value in its text."""
    if np.any(x == 7):
        warnings.warn("secret-payload-7", stacklevel=1)
        logging.getLogger("some.library").error("secret-payload-%s", 7)
    if np.any(x == 13):
        raise KeyError("secret-payload-13")
    return x
