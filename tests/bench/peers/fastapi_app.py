"""The server that a team writes by hand: FastAPI, pydantic, one `def`. MODEL: the file; TABLE: 1 for named columns."""

import os
from typing import Any

import joblib
import numpy as np
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = joblib.load(os.environ["MODEL"])


class Rows(BaseModel):
    instances: list[list[float]]


class Records(BaseModel):
    instances: list[dict[str, float | str]]


if os.environ.get("TABLE"):

    @app.post("/v1/models/{name}:predict")
    def predict_table(name: str, body: Records) -> dict[str, Any]:
        return {"predictions": model.predict(pd.DataFrame(body.instances)).tolist()}

else:

    @app.post("/v1/models/{name}:predict")
    def predict(name: str, body: Rows) -> dict[str, Any]:
        return {"predictions": model.predict(np.array(body.instances)).tolist()}
