"""After the load: forged numbers that would make compiled code read beyond its arrays, and files opened by callers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.ensemble import IsolationForest
from sklearn.ensemble._forest import BaseForest
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import BaseDecisionTree

from modelmoor_server.runtimes.sklearn.listed import names, trees
from modelmoor_server.runtimes.sklearn.listed.stream import NotListedError

MAX_OBJECTS = 10_000_000
_LEARNED: dict[type, str] = {
    BaseDecisionTree: "tree_",
    BaseForest: "estimators_",
    IsolationForest: "estimators_",
    BaseHistGradientBoosting: "_predictors",
    KMeans: "cluster_centers_",
    MiniBatchKMeans: "cluster_centers_",
    CountVectorizer: "vocabulary_",
    DictVectorizer: "vocabulary_",
    OneHotEncoder: "categories_",
}
"""Without this attribute a predict of the kind ends in a Python exception, before any compiled code."""


def check(model: Any) -> None:
    """Look at every object of a loaded model. Raises NotListedError."""
    for part in _parts(model):
        if isinstance(part, (names.Class, names.Builder)):
            raise NotListedError("it keeps a name that may only be called")
        if isinstance(part, (CountVectorizer, HashingVectorizer)) and part.input != "content":
            raise NotListedError("its vectorizer reads files by name")
        learned = next((name for kind, name in _LEARNED.items() if isinstance(part, kind)), None)
        if learned is None or not hasattr(part, learned):
            continue  # a template inside an ensemble or a composition: it learned nothing, and predicts nothing
        if isinstance(part, BaseDecisionTree):
            _require(part.tree_.n_features == part.n_features_in_)
            _require(part.tree_.n_outputs == part.n_outputs_)
        elif isinstance(part, BaseForest):
            _require(all(isinstance(tree, BaseDecisionTree) for tree in part.estimators_))
            _require(all(tree.n_features_in_ == part.n_features_in_ for tree in part.estimators_))
        elif isinstance(part, IsolationForest):
            pairs = zip(part.estimators_, part.estimators_features_, strict=True)
            _require(all(isinstance(t, BaseDecisionTree) and t.n_features_in_ == len(f) for t, f in pairs))
            _require(
                not part._max_features < part.n_features_in_ or part._max_features == len(part.estimators_features_[0])
            )
        elif isinstance(part, BaseHistGradientBoosting):
            _boosting(part)
        elif isinstance(part, (KMeans, MiniBatchKMeans)):
            centers = part.cluster_centers_
            _require(isinstance(centers, np.ndarray) and centers.dtype in (np.float32, np.float64))
            _require(centers.ndim == 2 and centers.shape[1] == part.n_features_in_ and centers.flags.c_contiguous)
        elif isinstance(part, CountVectorizer):
            _vocabulary(part.vocabulary_)
        elif isinstance(part, DictVectorizer):
            _vocabulary(part.vocabulary_)
            _require(len(part.vocabulary_) == len(part.feature_names_))
        elif isinstance(part, OneHotEncoder):
            _require(not getattr(part, "_infrequent_enabled", False))
            _require(list(OneHotEncoder._compute_n_features_outs(part)) == list(part._n_features_outs))
            _require(len(part.categories_) == part.n_features_in_)


def _boosting(part: Any) -> None:
    _require(part.is_categorical_ is None and part._preprocessor is None)
    for predictors in part._predictors:
        for predictor in predictors:
            nodes = predictor.nodes
            _require(isinstance(nodes, np.ndarray) and nodes.dtype == PREDICTOR_RECORD_DTYPE and nodes.ndim == 1)
            _require(len(nodes) > 0 and nodes.flags.c_contiguous and not nodes["is_categorical"].any())
            leaf = nodes["is_leaf"].astype(bool)
            trees.check_nodes(nodes["left"], nodes["right"], nodes["feature_idx"], leaf, part.n_features_in_)


def _vocabulary(vocabulary: Any) -> None:
    """Column numbers are written into a sparse matrix whose width is their count."""
    _require(type(vocabulary) is dict)
    numbers = [int(number) for number in vocabulary.values()]
    _require(sorted(numbers) == list(range(len(numbers))))


def _require(fits: bool) -> None:
    if not fits:
        raise NotListedError("it holds a part whose numbers do not fit each other")


def _parts(root: Any) -> Iterator[Any]:
    """Every object that a model holds, each once."""
    stack, seen = [root], set()
    while stack:
        part = stack.pop()
        if id(part) in seen or isinstance(part, (str, bytes, int, float, type(None))):
            continue
        seen.add(id(part))
        if len(seen) > MAX_OBJECTS:
            raise NotListedError("it holds more objects than any model")
        yield part
        if isinstance(part, dict):
            stack.extend([*part.keys(), *part.values()])
        elif isinstance(part, (list, tuple, set, frozenset)):
            stack.extend(part)
        elif isinstance(part, np.ndarray):
            if part.dtype == object:
                stack.extend(part.ravel().tolist())
        elif not isinstance(part, type):
            stack.extend(getattr(part, "__dict__", {}).values())
