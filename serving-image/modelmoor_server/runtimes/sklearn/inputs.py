"""Which fields a fitted estimator takes: a matrix, named columns, text or records; scikit-learn stores no dtypes.

What feeds each column is looked at instead: an encoder's categories, a vectorizer, an imputer's statistics.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    LabelBinarizer,
    LabelEncoder,
    OneHotEncoder,
    OrdinalEncoder,
    TargetEncoder,
)

from modelmoor_server.runtimes.versions import unsafe
from modelmoor_server.signature import Datatype, Field, Signature, Source

INPUT = "input"
MAX_LABELS = 1000
_INNER = ("best_estimator_", "estimator_", "regressor_", "classifier_")
_ENCODERS = (OneHotEncoder, OrdinalEncoder, TargetEncoder)


class Kind(NamedTuple):
    """What one column holds. datatype: None where anything may come."""

    datatype: Datatype | None
    labels: tuple[str, ...] | None = None


ANYTHING = Kind(None)


def inputs_of(estimator: Any) -> Signature:
    """A signature with the inputs of a fitted estimator and no outputs yet. Raises ModelError (UnsafeArtifact)."""
    first = _first(estimator)
    names = getattr(estimator, "feature_names_in_", None)
    width = len(names) if names is not None else _width(estimator, first)
    if names is not None:
        columns = tuple(str(name) for name in names)
        kinds = [_kind(first, index) for index in range(len(columns))]
        fields = tuple(
            Field(name, kind.datatype, (-1,), _source(kind), kind.labels, nullable=True)
            for name, kind in zip(columns, kinds, strict=True)
        )
        return Signature(fields, (), columns=columns)
    if _is_text(first):
        return Signature((Field(INPUT, Datatype.BYTES, (-1,)),), (), text=True)
    if isinstance(first, DictVectorizer) or (isinstance(first, FeatureHasher) and first.input_type == "dict"):
        return Signature((Field(INPUT, Datatype.BYTES, (-1,)),), (), records=True)
    if width is None:
        return Signature((Field(INPUT, None, None, Source.UNKNOWN, nullable=True),), ())
    kinds = [_kind(first, index) for index in range(width)]
    datatypes = {kind.datatype for kind in kinds}
    datatype = datatypes.pop() if len(datatypes) == 1 else None
    if datatype is not None and datatype.kind != "text":
        datatype = _working_float(first)
    labels = kinds[0].labels if width == 1 else None
    return Signature((Field(INPUT, datatype, (-1, width), _source(Kind(datatype)), labels, nullable=True),), ())


def _source(kind: Kind) -> Source:
    return Source.UNKNOWN if kind.datatype is None else Source.INFERRED


def _first(estimator: Any) -> Any:
    """The part that sees the input: down through pipelines, unions, searches and models of models."""
    for _ in range(32):
        steps = _steps(estimator)
        if steps:
            estimator = steps[0]
        elif isinstance(estimator, FeatureUnion):
            estimator = estimator.transformer_list[0][1]
        elif (
            inner := next((getattr(estimator, name) for name in _INNER if hasattr(estimator, name)), None)
        ) is not None:
            estimator = inner
        elif not hasattr(estimator, "n_features_in_") and np.size(getattr(estimator, "estimators_", ())):
            estimator = np.ravel(np.asarray(estimator.estimators_, dtype=object))[0]
        elif hasattr(estimator, "calibrated_classifiers_"):
            estimator = estimator.calibrated_classifiers_[0].estimator
        else:
            break
    return estimator


def _steps(estimator: Any) -> list[Any]:
    if not isinstance(estimator, Pipeline):
        return []
    return [step for _, step in estimator.steps if step is not None and step != "passthrough"]


def _is_text(first: Any) -> bool:
    if not isinstance(first, (CountVectorizer, HashingVectorizer)):
        return False
    if first.input != "content":
        # such a model opens the path that a caller sends
        raise unsafe("The model's vectorizer reads files by name.", "Fit it with input='content'.")
    return True


def _width(estimator: Any, first: Any) -> int | None:
    for owner in (estimator, first):
        if isinstance(width := getattr(owner, "n_features_in_", None), (int, np.integer)):
            return int(width)
    if isinstance(first, (LabelEncoder, LabelBinarizer)):
        return None
    coefficients = getattr(first, "coef_", None)  # set by hand, for one
    return int(np.shape(coefficients)[-1]) if coefficients is not None and np.ndim(coefficients) else None


def _kind(part: Any, index: int) -> Kind:
    """What column `index` of the input of `part` holds."""
    if isinstance(part, str):  # passthrough, drop
        return ANYTHING
    if isinstance(part, Pipeline):
        return _kind_of_steps(_steps(part), index)
    if isinstance(part, FeatureUnion):
        return _first_known(_kind(child, index) for _, child in part.transformer_list)
    if isinstance(part, ColumnTransformer):
        places = part._transformer_to_input_indices
        parts = {name: child for name, child, _ in part.transformers_}
        used = ((parts[name], list(indices).index(index)) for name, indices in places.items() if index in indices)
        return _first_known(_kind(child, place) for child, place in used)
    if isinstance(part, _ENCODERS):
        return _of_categories(part.categories_[index])
    if _is_text(part):
        return Kind(Datatype.BYTES)
    if isinstance(part, SimpleImputer):
        return Kind(Datatype.FP64) if np.asarray(part.statistics_).dtype.kind == "f" else ANYTHING
    if isinstance(part, FunctionTransformer):
        return ANYTHING
    categorical = getattr(part, "is_categorical_", None)  # gradient boosting by histograms
    if categorical is not None and np.size(categorical) > index and categorical[index]:
        return ANYTHING
    inner = _first(part)
    return _kind(inner, index) if inner is not part else Kind(Datatype.FP64)


def _kind_of_steps(steps: Sequence[Any], index: int) -> Kind:
    """An imputer of text says little; the encoder behind it knows the categories."""
    for step in steps:
        kind = _kind(step, index)
        if kind != ANYTHING or not isinstance(step, SimpleImputer):
            return kind
    return ANYTHING


def _first_known(kinds: Iterator[Kind]) -> Kind:
    return next((kind for kind in kinds if kind != ANYTHING), ANYTHING)


def _of_categories(categories: np.ndarray) -> Kind:
    values = [value for value in categories.tolist() if value is not None and value == value]
    types = set(map(type, values))
    labels = tuple(map(str, values)) if len(values) <= MAX_LABELS else None
    if types == {str}:
        return Kind(Datatype.BYTES, labels)
    if types == {bool}:
        return Kind(Datatype.BOOL, labels)
    if types == {int}:
        return Kind(Datatype.INT64, labels)
    return Kind(Datatype.FP64, labels) if types == {float} else Kind(None, labels)


def _working_float(first: Any) -> Datatype:
    """FP32 for an estimator fitted on float32 alone: some of them (KMeans) take no other input then."""
    arrays = [
        np.asarray(value)
        for name, value in vars(first).items()
        if name.endswith("_") and not name.startswith("_") and isinstance(value, np.ndarray)
    ]
    floats = {array.dtype for array in arrays if array.dtype.kind == "f"}
    return Datatype.FP32 if floats == {np.dtype(np.float32)} else Datatype.FP64
