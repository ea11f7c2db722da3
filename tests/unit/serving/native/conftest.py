"""Tests of the native kernel need it: where a compiler is, its absence is a failure and no reason to skip."""

import shutil
from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from threadpoolctl import threadpool_limits

from modelmoor_server import native


@pytest.fixture(autouse=True)
def kernel() -> None:
    """Skips on machines that cannot build the kernel, and there alone."""
    if not native.available:
        assert shutil.which("cc") is None, "the kernel is not built: python -m modelmoor_server.native.build"
        pytest.skip("no C compiler, so no kernel")


@pytest.fixture(scope="session")
def numbers() -> tuple[np.ndarray, np.ndarray]:
    """A regression: 400 rows of 6 features, targets above 0."""
    x, y = make_regression(400, 6, n_informative=5, noise=5.0, random_state=1)
    return x, y - y.min() + 0.1


@pytest.fixture(scope="session")
def labelled() -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Classifications by number of classes: 400 rows of 8 features."""
    return {
        classes: make_classification(
            400, 8, n_informative=6, n_redundant=1, n_classes=classes, flip_y=0.1, random_state=classes
        )
        for classes in (2, 3, 10)
    }


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """OpenMP's threads wait for each other by spinning: on a busy machine a fit takes minutes with two of them."""
    with threadpool_limits(1):
        yield
