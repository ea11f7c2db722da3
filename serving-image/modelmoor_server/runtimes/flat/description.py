"""What a model of plain arrays is: rows are scaled, become scores, and a rule makes answers of those."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

Flat = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""A tree as native.Ensemble takes it: left, right, feature (int64), threshold, values (float64)."""

Scaling = tuple[str, np.ndarray]
"""An in-place step on the rows: `subtract`, `divide`, `multiply` or `add`, and its second operand, float64."""

SCALINGS = ("subtract", "divide", "multiply", "add")


class Rule(StrEnum):
    """What becomes of the scores; scikit-learn's classes that do so are named in functions.py."""

    VALUE = "Value"
    EXPONENTIAL = "Exponential"
    SIDES = "Sides"  # classes by the sign or the largest, no probabilities
    LOGISTIC = "Logistic"
    SOFTMAX = "Softmax"
    SHARES = "Shares"
    BOOSTED_BINOMIAL = "BoostedBinomial"
    BOOSTED_EXPONENTIAL = "BoostedExponential"
    BOOSTED_MULTINOMIAL = "BoostedMultinomial"


@dataclass(frozen=True)
class Linear:
    """Scores `x @ coefficients.T + intercept`.

    coefficients: float64, [features] or [scores, features], in the order of memory that the estimator has: BLAS may
    sum another one in another order. intercept: float64, one or one a score.
    """

    coefficients: np.ndarray
    intercept: np.ndarray

    @property
    def features(self) -> int:
        return int(self.coefficients.shape[-1])


@dataclass(frozen=True)
class Trees:
    """Sums over trees, as native.Ensemble makes them; its words are those here.

    by_column: the sums lie column by column in memory, for some functions of NumPy round by layout.
    """

    trees: tuple[Flat, ...]
    features: int
    width: int
    start: np.ndarray
    divisor: float
    single: bool
    by_column: bool


@dataclass(frozen=True)
class Described:
    """A whole model. classes: what the rules of classifiers choose from.

    at_least: of two classes the second is chosen where its sum is 0 itself, too.
    """

    scores: Linear | Trees
    rule: Rule
    classes: np.ndarray | None = None
    at_least: bool = False
    scalings: tuple[Scaling, ...] = ()
