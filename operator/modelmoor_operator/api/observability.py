"""Field `spec.observability`: how Prometheus watches the model, and what is promised to its callers."""

from typing import Annotated

from pydantic import Field, StringConstraints

from modelmoor_operator.api.rules import between
from modelmoor_operator.api.types import Duration, Wire

Percent = Annotated[str, StringConstraints(max_length=8, pattern=r"^[1-9][0-9](\.[0-9]{1,4})?%$")]


class Objectives(Wire):
    """What callers may rely on; each one set gets its alert."""

    latency_p95: Duration | None = Field(
        default=None,
        alias="latencyP95",
        json_schema_extra=between("1ms", "10s"),
        description="Time within which 95 of 100 predictions are answered, a duration such as 50ms."
        " Measured in the pod; 1ms to 10s.",
    )
    availability: Percent | None = Field(
        default=None,
        description='Share of predictions that are answered without a fault of the server, such as "99.5%",'
        " from 10% to below 100%. Alerts tell when the rest is used up too fast.",
    )


class Observability(Wire):
    """How the model is watched."""

    enabled: bool | None = Field(
        default=None,
        description="Whether a ServiceMonitor and a PrometheusRule are made for this model, where the cluster has the"
        " Prometheus operator. The default is true where slo is set, and else the platform's.",
    )
    slo: Objectives | None = Field(default=None, description="What callers may rely on; alerts are made from it.")
