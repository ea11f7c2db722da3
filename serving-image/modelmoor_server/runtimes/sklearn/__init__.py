"""scikit-learn: joblib and pickle files.

lean.py      scikit-learn imported without pandas and scipy.stats, which come in where a model needs them
unpickle.py  bytes -> object, as the pickle policy allows, with every failure told apart
inputs.py    which fields an estimator takes: matrix, named columns, text, records
outputs.py   which methods answer, and their results as arrays that the protocol knows
independence.py  the estimators whose rows may share a call
shortcuts/   the same answers without what scikit-learn does around them
model.py     the loaded model
"""

# ruff: noqa: E402 - the first import of all, so that those below it find scikit-learn imported
from modelmoor_server.runtimes.sklearn.lean import import_sklearn

import_sklearn()

from modelmoor_server.inspection import Inspection
from modelmoor_server.runtimes.base import Policy
from modelmoor_server.runtimes.sklearn.model import SklearnModel, model_of
from modelmoor_server.runtimes.sklearn.unpickle import unpickle

__all__ = ["load"]


def load(found: Inspection, policy: Policy) -> SklearnModel:
    """Load a joblib or pickle file. Raises ModelError."""
    estimator, warnings = unpickle(found, policy)
    return model_of(estimator, found.framework, warnings, policy.engine)
