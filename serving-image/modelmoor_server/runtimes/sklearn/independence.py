"""The list: estimators whose answer to a row does not depend on the rows beside it, by exact type and parameters.

An estimator is on it because of how it computes, never because it was tried.

exact  each row is computed by itself and in one order, whatever stands beside it: not a bit can change. The others
       (linear algebra, vectorised functions) may change in the last bits with the number of rows.
sharp  a small change of its input may flip its answer (a threshold of a tree, a bin): nothing that is not exact may
       stand before it in a pipeline.

Not listed, though often served: nearest neighbours by brute force and KMeans (distances by cancellation), Gaussian
processes, voting and stacking, functions of the user. They answer request by request. docs/decisions/0015-batching.md
"""

import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import sklearn

from modelmoor_server.runtimes.base import Independence
from modelmoor_server.runtimes.versions import minor

COMPARED = frozenset({(1, 9)})  # versions of scikit-learn that were read for this list; a new one is a new review
FUNCTIONS = (None, np.log, np.log1p, np.log2, np.log10, np.exp, np.expm1, np.sqrt, np.square, np.abs)


class Verdict(NamedTuple):
    """What is known of one estimator."""

    exact: bool
    sharp: bool


_TYPES = {
    Verdict(exact=True, sharp=False): """
sklearn.preprocessing._data: StandardScaler MinMaxScaler MaxAbsScaler RobustScaler
sklearn.preprocessing._polynomial: PolynomialFeatures
sklearn.feature_selection._univariate_selection: SelectKBest SelectPercentile SelectFpr SelectFdr SelectFwe
sklearn.feature_selection._univariate_selection: GenericUnivariateSelect
sklearn.feature_selection._variance_threshold: VarianceThreshold
sklearn.impute._base: SimpleImputer MissingIndicator
sklearn.dummy: DummyRegressor DummyClassifier
""",
    Verdict(exact=True, sharp=True): """
sklearn.preprocessing._data: Binarizer
sklearn.preprocessing._discretization: KBinsDiscretizer
sklearn.preprocessing._encoders: OneHotEncoder OrdinalEncoder
sklearn.preprocessing._target_encoder: TargetEncoder
sklearn.feature_extraction._dict_vectorizer: DictVectorizer
sklearn.feature_extraction._hash: FeatureHasher
sklearn.feature_extraction.text: CountVectorizer HashingVectorizer TfidfVectorizer TfidfTransformer
sklearn.tree._classes: DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor
sklearn.ensemble._forest: RandomForestClassifier RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor
sklearn.ensemble._gb: GradientBoostingRegressor
sklearn.neighbors._classification: KNeighborsClassifier
sklearn.neighbors._regression: KNeighborsRegressor
sklearn.svm._classes: SVC NuSVC SVR NuSVR OneClassSVM
""",
    Verdict(exact=False, sharp=False): """
sklearn.preprocessing._data: Normalizer PowerTransformer
sklearn.decomposition._pca: PCA
sklearn.decomposition._truncated_svd: TruncatedSVD
sklearn.discriminant_analysis: LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis
sklearn.linear_model._base: LinearRegression
sklearn.linear_model._bayes: ARDRegression BayesianRidge
sklearn.linear_model._coordinate_descent: ElasticNet ElasticNetCV Lasso LassoCV MultiTaskElasticNet MultiTaskLasso
sklearn.linear_model._glm.glm: GammaRegressor PoissonRegressor TweedieRegressor
sklearn.linear_model._huber: HuberRegressor
sklearn.linear_model._least_angle: Lars LarsCV LassoLars LassoLarsCV LassoLarsIC
sklearn.linear_model._logistic: LogisticRegression LogisticRegressionCV
sklearn.linear_model._omp: OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV
sklearn.linear_model._passive_aggressive: PassiveAggressiveClassifier PassiveAggressiveRegressor
sklearn.linear_model._perceptron: Perceptron
sklearn.linear_model._quantile: QuantileRegressor
sklearn.linear_model._ridge: Ridge RidgeCV RidgeClassifier RidgeClassifierCV
sklearn.linear_model._stochastic_gradient: SGDClassifier SGDRegressor
sklearn.linear_model._theil_sen: TheilSenRegressor
sklearn.naive_bayes: ComplementNB GaussianNB MultinomialNB
sklearn.neural_network._multilayer_perceptron: MLPClassifier MLPRegressor
sklearn.svm._classes: LinearSVC LinearSVR
""",
    Verdict(exact=False, sharp=True): """
sklearn.ensemble._gb: GradientBoostingClassifier
sklearn.ensemble._hist_gradient_boosting.gradient_boosting: HistGradientBoostingClassifier HistGradientBoostingRegressor
sklearn.ensemble._iforest: IsolationForest
sklearn.naive_bayes: BernoulliNB CategoricalNB
""",
}
_COMPOSITES = """
sklearn.compose._column_transformer: ColumnTransformer
sklearn.compose._target: TransformedTargetRegressor
sklearn.ensemble._weight_boosting: AdaBoostClassifier AdaBoostRegressor
sklearn.model_selection._search: GridSearchCV RandomizedSearchCV
sklearn.multiclass: OneVsRestClassifier
sklearn.multioutput: MultiOutputClassifier MultiOutputRegressor
sklearn.pipeline: FeatureUnion Pipeline
sklearn.preprocessing._function_transformer: FunctionTransformer
"""


def independence_of(estimator: Any) -> Independence:
    """What is known of a fitted estimator's rows."""
    if minor(sklearn.__version__) not in COMPARED:
        return Independence.UNKNOWN
    try:
        verdict = _verdict(estimator)
    except (AttributeError, TypeError, ValueError):  # what another version, or a hand, has left out
        return Independence.UNKNOWN
    if verdict is None:
        return Independence.UNKNOWN
    return Independence.EXACT if verdict.exact else Independence.CLOSE


def _verdict(estimator: Any) -> Verdict | None:
    """None where the estimator is not on the list with these parameters."""
    kind = type(estimator)
    place = (kind.__module__, kind.__qualname__)
    if getattr(sys.modules.get(place[0]), place[1], None) is not kind or not plain(estimator):
        return None
    if (combine := _COMBINE.get(place[1])) is not None and place in _KNOWN_COMPOSITES:
        return combine(estimator)
    verdict = _LISTED.get(place)
    check = _CHECKS.get(place[1])
    return verdict if verdict is None or check is None or check(estimator) else None


def plain(estimator: Any) -> bool:
    """Nothing of the object stands before a method of its class, and it answers with arrays."""
    state, kind = vars(estimator), type(estimator)
    output = state.get("_sklearn_output_config", {}).get("transform")
    return output in (None, "default") and not any(callable(getattr(kind, name, None)) for name in state)


def _in_order(steps: Iterable[Any]) -> Verdict | None:
    """Steps of a pipeline: nothing sharp behind what is not exact."""
    exact, sharp = True, False
    for step in steps:
        verdict = _verdict(step)
        if verdict is None or (verdict.sharp and not exact):
            return None
        exact, sharp = exact and verdict.exact, sharp or verdict.sharp
    return Verdict(exact, sharp)


def _side_by_side(parts: Iterable[Any]) -> Verdict | None:
    """Parts that see the same rows."""
    verdicts = [_verdict(part) for part in parts]
    known = [verdict for verdict in verdicts if verdict is not None]
    if not known or len(known) < len(verdicts):
        return None
    return Verdict(all(verdict.exact for verdict in known), any(verdict.sharp for verdict in known))


def _present(parts: Iterable[Any]) -> list[Any]:
    return [part for part in parts if part is not None and not isinstance(part, str)]  # passthrough, drop


def _not_exact(verdict: Verdict | None) -> Verdict | None:
    """Members of an ensemble that brings rounding of its own."""
    return verdict and verdict._replace(exact=False)


def _boosted(members: Iterable[Any], *, exact: bool) -> Verdict | None:
    verdict = _side_by_side(members)
    return Verdict(exact, sharp=True) if verdict is not None and verdict.exact else None


def _function(transformer: Any) -> Verdict | None:
    functions = transformer.func, transformer.inverse_func
    if transformer.kw_args or transformer.inv_kw_args or not all(_is_known(function) for function in functions):
        return None
    return Verdict(exact=functions == (None, None), sharp=False)


def _is_known(function: Any) -> bool:
    return any(function is known for known in FUNCTIONS)


_COMBINE: dict[str, Callable[[Any], Verdict | None]] = {
    "AdaBoostClassifier": lambda e: _boosted(e.estimators_, exact=False),
    "AdaBoostRegressor": lambda e: _boosted(e.estimators_, exact=False),
    "ColumnTransformer": lambda e: _side_by_side(_present(part for _, part, _ in e.transformers_)),
    "FeatureUnion": lambda e: _side_by_side(_present(part for _, part in e.transformer_list)),
    "FunctionTransformer": _function,
    "GridSearchCV": lambda e: _verdict(e.best_estimator_),
    "MultiOutputClassifier": lambda e: _side_by_side(e.estimators_),
    "MultiOutputRegressor": lambda e: _side_by_side(e.estimators_),
    "OneVsRestClassifier": lambda e: None if e.multilabel_ else _not_exact(_side_by_side(e.estimators_)),
    "Pipeline": lambda e: _in_order(_present(step for _, step in e.steps)),
    "RandomizedSearchCV": lambda e: _verdict(e.best_estimator_),
    "TransformedTargetRegressor": lambda e: _not_exact(_side_by_side((e.regressor_, e.transformer_))),
}


def _words(vectorizer: Any) -> bool:
    """Text is taken apart by scikit-learn itself, and no logarithm is taken of counts."""
    own = vectorizer.tokenizer is None and vectorizer.preprocessor is None and isinstance(vectorizer.analyzer, str)
    return own and vectorizer.input == "content" and not getattr(vectorizer, "sublinear_tf", False)


def _one_label(classifier: Any) -> bool:
    return getattr(classifier, "_label_binarizer").y_type_ in ("binary", "multiclass")  # noqa: B009 - private


def _libsvm(machine: Any) -> bool:
    """libsvm takes dense rows one by one, with a kernel of its own."""
    return machine.kernel in ("linear", "poly", "rbf", "sigmoid") and not machine._sparse


def _tree_search(neighbours: Any) -> bool:
    single = np.ndim(neighbours._y) == 1 or np.shape(neighbours._y)[1] == 1
    return neighbours._fit_method in ("kd_tree", "ball_tree") and neighbours.weights == "uniform" and single


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "CountVectorizer": _words,
    "DummyClassifier": lambda e: e.strategy in ("prior", "most_frequent", "constant"),  # the others draw lots
    "FeatureHasher": lambda e: e.input_type == "dict",
    "GradientBoostingClassifier": lambda e: e.init in (None, "zero"),
    "GradientBoostingRegressor": lambda e: e.init in (None, "zero"),
    "HashingVectorizer": _words,
    "KNeighborsClassifier": _tree_search,
    "KNeighborsRegressor": _tree_search,
    "MLPClassifier": _one_label,
    "NuSVC": _libsvm,
    "NuSVR": _libsvm,
    "OneClassSVM": _libsvm,
    "RidgeClassifier": _one_label,
    "RidgeClassifierCV": _one_label,
    "SVC": _libsvm,
    "SVR": _libsvm,
    "TfidfTransformer": lambda e: not e.sublinear_tf,
    "TfidfVectorizer": _words,
}


def _places(text: str) -> list[tuple[str, str]]:
    lines = (line.split(": ") for line in text.strip().splitlines())
    return [(module, name) for module, names in lines for name in names.split()]


_LISTED = {place: verdict for verdict, text in _TYPES.items() for place in _places(text)}
_KNOWN_COMPOSITES = frozenset(_places(_COMPOSITES))
