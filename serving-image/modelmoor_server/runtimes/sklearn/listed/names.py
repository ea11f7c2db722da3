"""The list: exact (module, name) pairs of scikit-learn 1.9, each with the one role that it may play.

classes   made empty and filled with attributes; never called
builders  functions of ours that stand for the calls which honest files make
values    functions and types that are named (a scorer, a dtype) and that the reader never calls

Left out, since forged numbers inside them make compiled code read beyond its arrays and no check here says otherwise:
nearest neighbours, support vector machines, splines, gradient boosting of single trees, sparse matrices, masked arrays
(so GridSearchCV: save its best_estimator_). A new version of scikit-learn is a new review of this page.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modelmoor_server.runtimes.sklearn.listed import arrays, trees
from modelmoor_server.runtimes.sklearn.listed.stream import NotListedError

_CLASSES = """
sklearn._loss.link: IdentityLink Interval LogLink LogitLink HalfLogitLink MultinomialLogit
sklearn._loss.loss: HalfBinomialLoss HalfGammaLoss HalfMultinomialLoss HalfPoissonLoss HalfSquaredError
sklearn.calibration: CalibratedClassifierCV _CalibratedClassifier _SigmoidCalibration
sklearn.cluster._kmeans: KMeans MiniBatchKMeans
sklearn.compose._column_transformer: ColumnTransformer make_column_selector
sklearn.compose._target: TransformedTargetRegressor
sklearn.decomposition._pca: PCA
sklearn.decomposition._truncated_svd: TruncatedSVD
sklearn.discriminant_analysis: LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis
sklearn.dummy: DummyClassifier DummyRegressor
sklearn.ensemble._forest: ExtraTreesClassifier ExtraTreesRegressor RandomForestClassifier RandomForestRegressor
sklearn.ensemble._hist_gradient_boosting.binning: _BinMapper
sklearn.ensemble._hist_gradient_boosting.gradient_boosting: HistGradientBoostingClassifier HistGradientBoostingRegressor
sklearn.ensemble._hist_gradient_boosting.predictor: TreePredictor
sklearn.ensemble._iforest: IsolationForest
sklearn.ensemble._stacking: StackingClassifier StackingRegressor
sklearn.ensemble._voting: VotingClassifier VotingRegressor
sklearn.ensemble._weight_boosting: AdaBoostClassifier AdaBoostRegressor
sklearn.feature_extraction._dict_vectorizer: DictVectorizer
sklearn.feature_extraction.text: CountVectorizer HashingVectorizer TfidfTransformer TfidfVectorizer
sklearn.feature_selection._univariate_selection: SelectKBest SelectPercentile
sklearn.feature_selection._variance_threshold: VarianceThreshold
sklearn.impute._base: MissingIndicator SimpleImputer
sklearn.linear_model._base: LinearRegression
sklearn.linear_model._bayes: ARDRegression BayesianRidge
sklearn.linear_model._coordinate_descent: ElasticNet ElasticNetCV Lasso LassoCV
sklearn.linear_model._glm.glm: GammaRegressor PoissonRegressor TweedieRegressor
sklearn.linear_model._huber: HuberRegressor
sklearn.linear_model._logistic: LogisticRegression LogisticRegressionCV
sklearn.linear_model._perceptron: Perceptron
sklearn.linear_model._ridge: Ridge RidgeCV RidgeClassifier RidgeClassifierCV
sklearn.linear_model._stochastic_gradient: SGDClassifier SGDRegressor
sklearn.model_selection._split: KFold StratifiedKFold
sklearn.multiclass: OneVsRestClassifier
sklearn.multioutput: MultiOutputClassifier MultiOutputRegressor
sklearn.naive_bayes: BernoulliNB ComplementNB GaussianNB MultinomialNB
sklearn.neural_network._multilayer_perceptron: MLPClassifier MLPRegressor
sklearn.neural_network._stochastic_optimizers: AdamOptimizer SGDOptimizer
sklearn.pipeline: FeatureUnion Pipeline
sklearn.preprocessing._data: Binarizer MaxAbsScaler MinMaxScaler Normalizer PowerTransformer QuantileTransformer
sklearn.preprocessing._data: RobustScaler StandardScaler
sklearn.preprocessing._discretization: KBinsDiscretizer
sklearn.preprocessing._encoders: OneHotEncoder OrdinalEncoder
sklearn.preprocessing._function_transformer: FunctionTransformer
sklearn.preprocessing._label: LabelBinarizer LabelEncoder
sklearn.preprocessing._polynomial: PolynomialFeatures
sklearn.tree._classes: DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor
sklearn.utils._bunch: Bunch
"""
_VALUES = """
builtins: float int bool str object bytes
numpy: float32 float64 int32 int64 bool_ bool ndarray str_ log1p expm1 log exp sqrt square
sklearn.feature_selection._univariate_selection: f_classif f_regression chi2
sklearn.metrics._scorer: _PassthroughScorer
"""
_LOSSES = (  # compiled and without state: what a prediction needs of them is their class
    *("CyHalfBinomialLoss", "CyHalfGammaLoss", "CyHalfMultinomialLoss", "CyHalfPoissonLoss", "CyHalfSquaredError"),
)
_SGD_LOSSES = ("EpsilonInsensitive", "Hinge", "ModifiedHuber", "SquaredEpsilonInsensitive", "SquaredHinge")
_RANDOM = {
    "numpy.random._pickle": ("__bit_generator_ctor", "__generator_ctor", "__randomstate_ctor"),
    "numpy.random._mt19937": ("MT19937",),
    "numpy.random._pcg64": ("PCG64",),
    "numpy.random.bit_generator": ("SeedSequence", "__pyx_unpickle_SeedSequence"),
}


@dataclass(frozen=True, eq=False)
class Class:
    """A class whose objects the reader may make, empty."""

    type: Any  # a class; mypy takes `type[...]` here for the field of that name

    def blank(self) -> Any:
        """A new object, before its state is set."""
        return self.type.__new__(self.type)


@dataclass(frozen=True, eq=False)
class Builder:
    """A function of ours behind a name that honest files call."""

    make: Callable[..., Any]


class Inert:
    """What stands for a random generator: predictions use none."""


def resolve(module: str, name: str) -> Any:
    """What a pair stands for. Raises NotListedError, with the pair where it is made of plain letters."""
    module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
    role = ROLES.get((module.replace("numpy.core.", "numpy._core."), name))
    if role is None:
        shown = f"{module}.{name}" if f"{module}.{name}".replace(".", "").replace("_", "").isalnum() else "a name"
        raise NotListedError(f"{shown[:120]} is not on the list")
    return role()


def set_state(target: Any, state: Any) -> None:
    """Fill an object of a listed class with a plain dict of attributes."""
    if isinstance(target, trees.Tree):
        trees.set_tree(target, state)
        return
    if type(target).__module__ == "sklearn._loss._loss" or state in (None, ()):
        return
    if type(target) not in OBJECT_TYPES or type(state) is not dict or not all(type(key) is str for key in state):
        raise NotListedError("it gives an object a state that is not on the list")
    if (restore := getattr(type(target), "__setstate__", None)) is not None:
        restore(target, state)
    else:
        target.__dict__.update(state)


def is_inert(target: Any) -> bool:
    """Whether the state of an object is not looked at."""
    return isinstance(target, Inert)


def _inert(*_: Any) -> Inert:
    return Inert()


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise NotListedError("it encodes text in a way that is not on the list")
    return text.encode("latin1")


def _bytes(*arguments: Any) -> bytes:
    if arguments:
        raise NotListedError("it makes bytes in a way that is not on the list")
    return b""


def _slice(*arguments: Any) -> slice:
    if not all(part is None or type(part) in (int, str) for part in arguments):
        raise NotListedError("it makes a slice in a way that is not on the list")
    return slice(*arguments)


def _set(items: Any) -> set[Any]:
    if type(items) is not list:
        raise NotListedError("it makes a set in a way that is not on the list")
    return set(items)


def _reconstructor(kind: Any, base: Any, state: Any) -> Any:
    if not isinstance(kind, Class) or base is not object or state is not None:
        raise NotListedError("it makes an object in a way that is not on the list")
    return kind.blank()


def _loss(kind: type) -> Callable[..., Any]:
    def make(*arguments: Any) -> Any:
        if arguments and not isinstance(arguments[0], Builder):
            raise NotListedError("it makes a loss in a way that is not on the list")
        return kind()

    return make


def _sgd_loss(kind: type) -> Callable[..., Any]:
    def make(*arguments: Any) -> Any:
        if len(arguments) != 1 or type(arguments[0]) is not float:
            raise NotListedError("it makes a loss in a way that is not on the list")
        return kind(*arguments)

    return make


def _pairs(text: str) -> list[tuple[str, str]]:
    lines = (line.split(": ") for line in text.strip().splitlines())
    return [(module, name) for module, found in lines for name in found.split()]


def _roles() -> dict[tuple[str, str], Callable[[], Any]]:
    """Pair -> what it stands for; a module is imported only when a file names something of it."""

    def attribute(module: str, name: str) -> Any:
        return getattr(importlib.import_module(module), name)

    def a_class(module: str, name: str) -> Callable[[], Class]:
        def make() -> Class:
            kind = attribute(module, name)
            OBJECT_TYPES.add(kind)
            return Class(kind)

        return make

    roles: dict[tuple[str, str], Callable[[], Any]] = {pair: a_class(*pair) for pair in _pairs(_CLASSES)}
    for pair in _pairs(_VALUES):
        roles[pair] = lambda pair=pair: attribute(*pair)  # type: ignore[misc]
    for name in _LOSSES:
        for spelled in (name, f"__pyx_unpickle_{name}"):
            pair = ("sklearn._loss._loss", spelled)
            roles[pair] = lambda name=name: Builder(_loss(attribute("sklearn._loss._loss", name)))  # type: ignore[misc]
    for name in _SGD_LOSSES:
        module = "sklearn.linear_model._sgd_fast"
        roles[module, name] = lambda name=name: Builder(_sgd_loss(attribute("sklearn.linear_model._sgd_fast", name)))  # type: ignore[misc]
    for module, found in _RANDOM.items():
        roles |= {(module, name): lambda: Builder(_inert) for name in found}
    builders: dict[tuple[str, str], Callable[..., Any]] = {
        ("numpy", "dtype"): arrays.dtype,
        ("numpy._core.multiarray", "_reconstruct"): arrays.empty_array,
        ("numpy._core.multiarray", "scalar"): arrays.scalar,
        ("numpy._core.numeric", "_frombuffer"): arrays.from_buffer,
        ("sklearn.tree._tree", "Tree"): trees.empty_tree,
        ("_codecs", "encode"): _encode,
        ("builtins", "bytes"): _bytes,
        ("builtins", "slice"): _slice,
        ("builtins", "set"): _set,
        ("copyreg", "_reconstructor"): _reconstructor,
    }
    roles |= {pair: lambda make=make: Builder(make) for pair, make in builders.items()}  # type: ignore[misc]
    roles["joblib.numpy_pickle", "NumpyArrayWrapper"] = lambda: Class(arrays.JoblibArray)
    return roles


OBJECT_TYPES: set[type] = set()
ROLES = _roles()
