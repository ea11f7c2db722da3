"""Linear models: their coefficients and intercept, and the rule that makes classes and probabilities of the scores."""

from typing import Any

import numpy as np
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    HuberRegressor,
    Lars,
    LarsCV,
    Lasso,
    LassoCV,
    LassoLars,
    LassoLarsCV,
    LassoLarsIC,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLasso,
    MultiTaskLassoCV,
    OrthogonalMatchingPursuit,
    OrthogonalMatchingPursuitCV,
    Perceptron,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
    SGDClassifier,
    TheilSenRegressor,
)
from sklearn.svm import LinearSVC, LinearSVR

from modelmoor_server.runtimes.flat.description import Described, Linear, Rule

REGRESSORS = frozenset(
    {
        ARDRegression, BayesianRidge, ElasticNet, ElasticNetCV, HuberRegressor, Lars, LarsCV, Lasso, LassoCV, LassoLars,
        LassoLarsCV, LassoLarsIC, LinearRegression, LinearSVR, MultiTaskElasticNet, MultiTaskElasticNetCV,
        MultiTaskLasso, MultiTaskLassoCV, OrthogonalMatchingPursuit, OrthogonalMatchingPursuitCV, Ridge, RidgeCV,
        TheilSenRegressor,
    }
)  # fmt: skip
CLASSIFIERS = frozenset(
    {LinearSVC, LogisticRegression, LogisticRegressionCV, Perceptron, RidgeClassifier, RidgeClassifierCV, SGDClassifier}
)
_LOGISTIC = frozenset({LogisticRegression, LogisticRegressionCV})


def describe(estimator: Any) -> Described | None:
    """A fitted linear model in arrays; None for anything else."""
    kind = type(estimator)
    if kind not in REGRESSORS and kind not in CLASSIFIERS:
        return None
    coefficients, intercept = estimator.coef_, np.asarray(estimator.intercept_)
    if type(coefficients) is not np.ndarray or coefficients.dtype != np.float64 or coefficients.ndim not in (1, 2):
        return None
    if intercept.dtype != np.float64 or intercept.ndim > 1:
        return None
    scores = Linear(coefficients, intercept)
    if kind in REGRESSORS:
        return Described(scores, Rule.VALUE)
    if not isinstance(getattr(estimator, "classes_", None), np.ndarray) or _multilabel(estimator):
        return None
    rule = Rule.SIDES
    if kind in _LOGISTIC:
        rule = Rule.LOGISTIC if len(estimator.classes_) <= 2 else Rule.SOFTMAX
    return Described(scores, rule, estimator.classes_)


def _multilabel(estimator: Any) -> bool:
    binarizer = getattr(estimator, "_label_binarizer", None)
    return binarizer is not None and bool(binarizer.y_type_.startswith("multilabel"))
