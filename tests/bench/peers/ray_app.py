"""A Ray Serve deployment of one replica. usage: ray_app.py PORT FOLDER. MODEL: the file; FOLDER: where Ray writes."""

import os
import signal
import sys
from typing import Any

import joblib
import numpy as np
import ray
from ray import serve
from starlette.requests import Request

QUIET = {"enable_access_log": False}


@serve.deployment(num_replicas=1, max_ongoing_requests=128, ray_actor_options={"num_cpus": 0.5}, logging_config=QUIET)
class Bench:
    def __init__(self, file: str) -> None:
        self.model = joblib.load(file)

    async def __call__(self, request: Request) -> dict[str, Any]:
        rows = np.array((await request.json())["instances"])
        return {"predictions": self.model.predict(rows).tolist()}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, _temp_dir=sys.argv[2])
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])}, logging_config=QUIET)
    serve.run(Bench.bind(os.environ["MODEL"]), route_prefix="/predict")  # type: ignore[attr-defined]
    signal.sigwait([signal.SIGTERM])
    serve.shutdown()
    ray.shutdown()
