"""A BentoML service with one route. MODEL: the file."""

import os
from typing import Any

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=1)
class Bench:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api(route="/predict")
    def predict(self, instances: list[list[float]]) -> dict[str, Any]:
        return {"predictions": self.model.predict(np.array(instances)).tolist()}
