"""A LitServe API with one route. usage: litserve_app.py PORT. MODEL: the file."""

import os
import sys
from typing import Any

import joblib
import litserve
import numpy as np


class Bench(litserve.LitAPI):  # type: ignore[misc]
    def setup(self, device: str) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    def decode_request(self, request: dict[str, Any], **_: Any) -> np.ndarray:
        return np.array(request["instances"])

    def predict(self, rows: np.ndarray, **_: Any) -> np.ndarray:
        return self.model.predict(rows)  # type: ignore[no-any-return]

    def encode_response(self, answers: np.ndarray, **_: Any) -> dict[str, Any]:
        return {"predictions": answers.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Bench(api_path="/predict"), accelerator="cpu", workers_per_device=1)
    server.run(port=int(sys.argv[1]), host="127.0.0.1", generate_client_file=False, log_level="warning")
