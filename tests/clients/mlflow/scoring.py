"""MLflow's client of its own scoring server, given data frames and arrays."""

from typing import Any

import numpy as np
import pandas as pd
from cases import case, main
from mlflow.pyfunc.scoring_server.client import ScoringServerClient


def client(facts: dict[str, Any], model: str) -> ScoringServerClient:
    return ScoringServerClient(*facts["singles"][model].split(":"))


@case
def waits(facts: dict[str, Any]) -> Any:
    server = client(facts, "rents")
    server.wait_server_ready(timeout=10)
    return server.get_version()


@case
def frame(facts: dict[str, Any]) -> Any:
    """With gaps: MLflow sends them as null."""
    answer = client(facts, "rents").invoke(pd.DataFrame(facts["rents"]["records"]))
    return answer.get_predictions("ndarray")


@case
def frame_of_floats(facts: dict[str, Any]) -> Any:
    answer = client(facts, "iris").invoke(pd.DataFrame(facts["iris"]["rows"], columns=facts["iris"]["names"]))
    return answer.get_predictions("ndarray").tolist()


@case
def array(facts: dict[str, Any]) -> Any:
    return client(facts, "iris").invoke(np.array(facts["iris"]["rows"])).get_predictions("ndarray").tolist()


@case
def missing_column(facts: dict[str, Any]) -> Any:
    client(facts, "rents").invoke(pd.DataFrame([{"district": "Station"}]))


main()
