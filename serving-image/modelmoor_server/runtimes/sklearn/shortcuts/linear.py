"""Linear models: `X @ coef_.T + intercept_`, in the order and with the operands of scikit-learn's own code.

The product must be the same call of the same BLAS: `coef_.T` stays a view of `coef_`, since a copy in another layout
may be summed in another order. Sources: LinearModel and LinearClassifierMixin (linear_model/_base.py),
LogisticRegression (linear_model/_logistic.py), softmax (utils/extmath.py).
"""

from typing import Any

import numpy as np
from scipy.special import expit
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

from modelmoor_server.runtimes.sklearn.shortcuts import Method

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


def methods(estimator: Any) -> dict[str, Method] | None:
    """The shortcuts of a fitted linear model by method; None for anything else."""
    kind = type(estimator)
    if kind not in REGRESSORS and kind not in CLASSIFIERS:
        return None
    coefficients, intercept = estimator.coef_, estimator.intercept_
    if type(coefficients) is not np.ndarray or coefficients.dtype != np.float64:
        return None
    if kind in REGRESSORS:
        return {"predict": _regression(coefficients, intercept)}
    if not hasattr(estimator, "classes_") or _multilabel(estimator):
        return None
    decision = _decision(coefficients, intercept)
    found = {"predict": _classes(decision, estimator.classes_), "decision_function": decision}
    if kind in _LOGISTIC:
        found["predict_proba"] = _binary(decision) if len(estimator.classes_) <= 2 else _softmax(decision)
    return found


def _regression(coefficients: np.ndarray, intercept: Any) -> Method:
    weights = coefficients if coefficients.ndim == 1 else coefficients.T

    def predict(x: np.ndarray) -> np.ndarray:
        answer: np.ndarray = x @ weights + intercept
        return answer

    return predict


def _decision(coefficients: np.ndarray, intercept: Any) -> Method:
    weights = coefficients if coefficients.ndim == 1 else coefficients.T
    single = weights.ndim == 2 and weights.shape[1] == 1

    def decision_function(x: np.ndarray) -> np.ndarray:
        scores: np.ndarray = x @ weights + intercept
        return scores.reshape(-1) if single else scores

    return decision_function


def _classes(decision: Method, classes: np.ndarray) -> Method:
    def predict(x: np.ndarray) -> np.ndarray:
        scores = decision(x)
        indices = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        return classes.take(indices)

    return predict


def _binary(decision: Method) -> Method:
    def predict_proba(x: np.ndarray) -> np.ndarray:
        scores = decision(x)
        if scores.ndim != 1:
            raise AssertionError("two classes have one score")
        scores = expit(scores, out=scores)
        return np.stack([1 - scores, scores], axis=1)

    return predict_proba


def _softmax(decision: Method) -> Method:
    def predict_proba(x: np.ndarray) -> np.ndarray:
        scores = decision(x)
        scores -= scores.max(axis=1).reshape(-1, 1)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1).reshape(-1, 1)
        return scores

    return predict_proba


def _multilabel(estimator: Any) -> bool:
    binarizer = getattr(estimator, "_label_binarizer", None)
    return binarizer is not None and bool(binarizer.y_type_.startswith("multilabel"))
