"""scikit-learn is imported without what it seldom needs, and nobody who needs it can tell."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def run(code: str) -> str:
    """What a Python process of its own prints; warnings are errors."""
    line = [sys.executable, "-W", "error", "-c", "import sys\nimport modelmoor_server.runtimes.sklearn\n" + code]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout


def test_what_stays_outside() -> None:
    """Neither pandas nor scipy.stats nor its stand-in is there after the import, and the finder has gone."""
    shown = run("print([name for name in sys.modules], [type(finder).__name__ for finder in sys.meta_path])")
    modules, _, finders = shown.partition("] [")
    names = set(eval(modules + "]"))
    assert "sklearn.linear_model" in names
    assert not {"pandas", "rich", "scipy.stats", "scipy.interpolate", "scipy.integrate", "numpy.f2py"} & names
    assert "_Finder" not in finders


def test_frames_work_as_ever() -> None:
    """A pipeline is fitted and asked with a frame, and gives one where it is told to."""
    run("""
import numpy as np, pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
frame = pd.DataFrame({"age": [20.0, 30.0, 40.0, 50.0] * 5, "city": ["Paris", "Rome"] * 10})
columns = make_column_transformer((StandardScaler(), ["age"]), (OneHotEncoder(sparse_output=False), ["city"]))
model = make_pipeline(columns, LogisticRegression()).fit(frame, np.arange(20) % 2)
assert list(model.feature_names_in_) == ["age", "city"]
assert model.predict(frame).shape == (20,)
assert isinstance(columns.set_output(transform="pandas").fit_transform(frame), pd.DataFrame)
""")


def test_what_came_later_is_the_real_thing() -> None:
    """Functions and classes of scipy.stats and scipy.interpolate that scikit-learn was given a stand-in for."""
    run("""
import numpy as np, scipy
from sklearn._loss.link import gmean
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import auc
from sklearn.model_selection import GridSearchCV
from sklearn.linear_model import Ridge, RidgeCV, LassoLarsCV
from sklearn.preprocessing import SplineTransformer, QuantileTransformer
from sklearn.impute import SimpleImputer
from sklearn.covariance import EllipticEnvelope
from sklearn.utils.fixes import _mode
assert abs(gmean(np.array([1.0, 4.0])) - 2) < 1e-12
x = np.random.default_rng(0).normal(size=(60, 2)); y = x[:, 0]
IsotonicRegression().fit(x[:, 0], y).predict(y)
assert auc([0.0, 1.0], [0.0, 1.0]) == 0.5
GridSearchCV(Ridge(), {"alpha": [1, 2]}, cv=2).fit(x, y).predict(x)
splines = SplineTransformer(extrapolation="periodic").fit(x)
assert splines.transform(x).shape[0] == 60
assert SplineTransformer(sparse_output=True).fit(x).transform(x).shape[0] == 60
import pickle
assert type(pickle.loads(pickle.dumps(splines)).bsplines_[0]) is scipy.interpolate.BSpline
LassoLarsCV(cv=2).fit(x, y)
EllipticEnvelope(random_state=0).fit(x).predict(x)
SimpleImputer(strategy="most_frequent").fit(x)
assert _mode(np.array([1, 1, 2])).mode == 1
QuantileTransformer(n_quantiles=10, output_distribution="normal").fit_transform(x)
import scipy.stats
assert type(scipy.stats).__name__ == "module" and scipy.stats.norm.cdf(0) == 0.5
assert np.f2py.__name__ == "numpy.f2py"
""")


def test_other_threads_import_what_they_like() -> None:
    """The finder is blind for them, so a load beside an import cannot fail of it."""
    run("""
import threading
from modelmoor_server.runtimes.sklearn.lean import _Finder
finder = _Finder(threading.get_ident())
assert finder.find_spec("scipy.stats") is not None
found = []
thread = threading.Thread(target=lambda: found.append(finder.find_spec("pandas")))
thread.start()
thread.join()
assert found == [None]
""")
