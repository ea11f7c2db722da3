"""The model.py of Triton's Python backend: one call for all requests of a batch. The file is a parameter."""

import json
import os
import sys
from typing import Any

# the stub is embedded in no virtual environment, and reads no PYTHONPATH
sys.path.insert(0, os.environ["PACKAGES"])

import joblib
import numpy as np
import pandas as pd
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        parameters = config["parameters"]
        self.estimator = joblib.load(parameters["file"]["string_value"])
        self.table = parameters["table"]["string_value"] == "1"
        self.names = [tensor["name"] for tensor in config["input"]]
        self.kind = pb_utils.triton_string_to_numpy(config["output"][0]["data_type"])

    def execute(self, requests: list[Any]) -> list[Any]:
        tensors = [[pb_utils.get_input_tensor_by_name(one, name).as_numpy() for name in self.names] for one in requests]
        columns = [np.concatenate(parts) for parts in zip(*tensors, strict=True)]
        answers = self.estimator.predict(self._frame(columns) if self.table else columns[0]).astype(self.kind)
        found, begin = [], 0
        for parts in tensors:
            end = begin + len(parts[0])
            output = pb_utils.Tensor("answers", answers[begin:end].reshape(-1, 1))
            found.append(pb_utils.InferenceResponse([output]))
            begin = end
        return found

    def _frame(self, columns: list[np.ndarray]) -> pd.DataFrame:
        return pd.DataFrame({name: _plain(values.ravel()) for name, values in zip(self.names, columns, strict=True)})


def _plain(values: np.ndarray) -> np.ndarray:
    """Texts come as bytes."""
    return np.char.decode(values.astype(bytes)).astype(object) if values.dtype == object else values
