"""KServe's Python server around a scikit-learn model, as KServe's own sklearnserver does it (that is no package).

usage: kserve_app.py --model_name NAME --model FILE [--table] and the options of kserve
"""

import argparse
from typing import Any

import joblib
import numpy as np
import pandas as pd
from kserve import InferRequest, Model, ModelServer, model_server
from kserve.utils.utils import get_predict_input, get_predict_response


class Estimator(Model):  # type: ignore[misc]
    """A joblib file behind protocols v1 and v2."""

    def __init__(self, name: str, file: str, table: bool) -> None:
        super().__init__(name)
        self._estimator = joblib.load(file)
        self._table = table
        self.ready = True

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        if self._table and not isinstance(payload, InferRequest):
            rows = pd.DataFrame(payload["instances"])
        else:
            rows = get_predict_input(payload)
        if not self._table:
            rows = np.asarray(rows)
        return get_predict_response(payload, self._estimator.predict(rows), self.name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[model_server.parser], conflict_handler="resolve")
    parser.add_argument("--model", required=True)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    ModelServer().start([Estimator(options.model_name, options.model, options.table)])
