"""What a person asks for: `spec` of a ModelDeployment. Each description is what `kubectl explain` shows."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from modelmoor_operator.api.access import Access
from modelmoor_operator.api.observability import Observability
from modelmoor_operator.api.pods import EnvVar, PodTemplate, Resources
from modelmoor_operator.api.rules import AUTOSCALING_RULES, ROLLOUT_RULES, URI_RULES, at_least
from modelmoor_operator.api.types import (
    FREE_FORM,
    OBJECT_NAME,
    Duration,
    IntOrPercent,
    Quantity,
    Wire,
    named_by,
    published_default,
    typed_free_form,
)


class SecretRef(Wire):
    """A reference to a Secret of the same namespace."""

    name: str = Field(min_length=1, max_length=253, pattern=OBJECT_NAME, description="Name of the Secret.")


class Credentials(Wire):
    """How the model's store is entered."""

    secret_ref: SecretRef | None = Field(
        default=None,
        description="Secret of the same namespace whose keys are the environment names of the store's own client"
        " (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS,"
        " AZURE_STORAGE_ACCOUNT_KEY, HTTP_HEADERS as JSON). Only the container that fetches the model sees it.",
    )


class Model(Wire):
    """Which artifact is served."""

    uri: str = Field(
        min_length=1,
        max_length=2048,
        json_schema_extra=URI_RULES,
        description="Where the model is: a file or a folder (which ends in /)"
        " at file:///PATH (in the image), pvc://CLAIM/PATH, http://, https://, s3://BUCKET/KEY,"
        " gs://BUCKET/KEY or az://CONTAINER/PATH. A change of this field is a new revision.",
    )
    format: str | None = Field(
        default=None,
        min_length=1,
        max_length=32,
        pattern=r"^[a-z][a-z0-9.-]*$",
        description="Format of the artifact: sklearn, keras or tensorflow. Found out from the files where absent.",
    )
    digest: str | None = Field(
        default=None,
        max_length=71,
        pattern=r"^sha256:[0-9a-f]{64}$",
        description="Pin: sha256: and the hex digest of the file, or of a folder's sorted list of paths and digests."
        " Other bytes are refused before they are loaded. The digest that is served is always in status.model.digest.",
    )
    credentials: Credentials | None = Field(default=None, description="How the model's store is entered.")


Metric = Annotated[
    dict[str, Any],
    WithJsonSchema(
        typed_free_form(
            "What is measured, and the value to aim at.", "ContainerResource, Resource, Pods, Object or External."
        )
    ),
]
Trigger = Annotated[
    dict[str, Any],
    WithJsonSchema(
        typed_free_form("What KEDA asks, and the value to aim at.", "Scaler of KEDA, such as cron, cpu or prometheus.")
    ),
]


class Autoscaling(Wire):
    """How many pods serve, by load."""

    model_config = ConfigDict(json_schema_extra=AUTOSCALING_RULES)

    engine: Literal["HPA", "KEDA"] = Field(
        default="HPA",
        description="What scales: HPA, a HorizontalPodAutoscaler; or KEDA, a ScaledObject, where KEDA is installed."
        " The default is HPA.",
    )
    min_replicas: int = Field(default=1, ge=1, le=1000, description="Fewest pods, 1 to 1000. The default is 1.")
    max_replicas: int = Field(ge=1, le=1000, description="Most pods, 1 to 1000.")
    cpu_utilization: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="CPU use to aim at, in percent of the CPU that container model requests, for engine HPA."
        " The default is 70 where no metrics are given; beside metrics, CPU counts only where this is set.",
    )
    metrics: tuple[Metric, ...] = Field(
        default=(),
        max_length=16,
        description="Metrics of the HorizontalPodAutoscaler, at most 16, passed through for engine HPA:"
        " kubectl explain hpa.spec.metrics shows the fields. The one that asks for most pods wins.",
    )
    behavior: dict[str, Any] | None = Field(
        default=None,
        json_schema_extra=FREE_FORM,
        description="How quickly pods come and go, passed through to the HorizontalPodAutoscaler (KEDA's, for engine"
        " KEDA): kubectl explain hpa.spec.behavior shows the fields. Kubernetes' own defaults where absent.",
    )
    triggers: tuple[Trigger, ...] = Field(
        default=(),
        max_length=16,
        description="Triggers of KEDA's ScaledObject, 1 to 16, passed through for engine KEDA:"
        " kubectl explain scaledobject.spec.triggers shows the fields. The one that asks for most pods wins.",
    )


class Batching(Wire):
    """How requests share a call of the model."""

    max_size: int | None = Field(
        default=None,
        ge=1,
        le=65536,
        description="Most rows, 1 to 65536, of requests that came while the last call ran and share the next one."
        " 1 turns batching off. The slices of a larger request start at this size and may grow to what takes"
        " 20 ms. The server's default is 64.",
    )
    max_delay: Duration | None = Field(
        default=None,
        description="How long a request may wait for others, a duration such as 5ms. Where absent, nothing is waited"
        " for:"
        " what came while the last call ran shares the next one.",
    )
    exact: bool | None = Field(
        default=None,
        description="Batch only models whose answers cannot change by a bit, such as forests. Otherwise the last bits"
        " of an answer may depend on how many rows were computed together.",
    )
    rows_independent: bool | None = Field(
        default=None,
        description="You say that no row touches another's answer, so a model is batched that is not on the server's"
        " list of such models.",
    )


class Optimize(Wire):
    """By what code a model is answered."""

    engine: Literal["Auto", "Library", "Native", "ONNX"] | None = Field(
        default=None,
        description="Auto takes the fastest that was proven equal to the model's own library, and that library for"
        " the rest. Library forbids every other. Native (the server's own code) and ONNX (ONNX Runtime, for an"
        " artifact that `modelmoor-server optimize` has converted) refuse a model that has no such engine. The default"
        " is Auto.",
    )


class Runtime(Wire):
    """How the server runs."""

    image: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        pattern=r"^\S+$",
        description="Serving image, only to override the platform's own, such as registry.example/serving:1.2.",
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Processes of a pod that share its ports, 1 to 64; each holds the model in memory. For pods with"
        " several CPUs; a pod of one CPU wants one, which is the default.",
    )
    timeout: Duration = Field(
        default=timedelta(seconds=30),
        json_schema_extra=at_least("1ms"),
        description="Longest time that one request may take, a duration such as 500ms. The default is 30s.",
    )
    batching: Batching | None = Field(
        default=None,
        description="How requests share a call of the model. Where it cannot change answers beyond rounding, they do"
        " so without this.",
    )
    optimize: Optimize | None = Field(default=None, description="By what code the model is answered.")
    env: tuple[EnvVar, ...] = Field(
        default=(),
        max_length=64,
        json_schema_extra=named_by("name"),
        description="Environment variables of container model, at most 64.",
    )


class Fetch(Wire):
    """The init container that fetches the model."""

    resources: Resources | None = Field(
        default=None, description="Resources of the init container fetch. The platform's defaults where absent."
    )


class Storage(Wire):
    """Where the artifact is kept in the pod."""

    size_limit: Quantity | None = Field(
        default=None,
        description="Largest artifact, a quantity such as 5Gi. A larger one is refused before it fills the node's disk."
        " No limit where absent.",
    )
    fetch: Fetch | None = Field(default=None, description="The init container that fetches the model.")


class Rollout(Wire):
    """How a new revision takes over."""

    model_config = ConfigDict(json_schema_extra=ROLLOUT_RULES)

    max_surge: IntOrPercent = Field(
        default="25%",
        description="Pods above the wanted number while a new revision rolls out: a number, or a percentage rounded up."
        " The default is 25%.",
    )
    max_unavailable: IntOrPercent = Field(
        default=0,
        description="Pods that may be missing while a new revision rolls out: a number, or a percentage rounded down."
        " The default is 0.",
    )
    progress_deadline: Duration = Field(
        default=timedelta(minutes=10),
        json_schema_extra=at_least("10s"),
        description="Time without progress after which a rollout counts as stalled, a duration of at least 10s."
        " The old revision goes on serving. The default is 10m.",
    )


class Spec(Wire):
    """The wanted state of a ModelDeployment."""

    model: Model = Field(description="Which artifact is served.")
    replicas: int = Field(
        default=1,
        ge=0,
        le=1000,
        json_schema_extra=published_default(1),
        description="Number of pods, 0 to 1000. autoscaling wins while it is present. The default is 1.",
    )
    autoscaling: Autoscaling | None = Field(
        default=None, description="Scales the number of pods by load; wins over replicas while present."
    )
    runtime: Runtime = Field(default_factory=Runtime, description="How the server runs.")
    resources: Resources | None = Field(
        default=None, description="Resources of container model. The platform's defaults where absent."
    )
    storage: Storage = Field(default_factory=Storage, description="Where the artifact is kept in the pod.")
    service_account_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        pattern=OBJECT_NAME,
        description="ServiceAccount of the pods, of the same namespace, for a cloud's workload identity."
        " The namespace's default one where absent. No token of it is mounted.",
    )
    pod_template: PodTemplate | None = Field(
        default=None, description="Any other field of the pods, merged into what the operator renders."
    )
    rollout: Rollout = Field(default_factory=Rollout, description="How a new revision takes over.")
    access: Access | None = Field(default=None, description="Who may call the model.")
    observability: Observability | None = Field(default=None, description="How the model is watched.")
    suspend: bool = Field(
        default=False,
        description="Stops every change of this model's objects while true; serving and status go on."
        ' The annotation modelmoor.dev/suspend: "true" does the same. The default is false.',
    )
    deletion_policy: Literal["Delete", "Orphan"] = Field(
        default="Delete",
        description="What happens to this model's objects when the ModelDeployment is deleted. Delete: they go with it."
        " Orphan: they stay and go on serving, and a new ModelDeployment of the same name takes them over; wait until"
        " status.observedGeneration has seen the field before you delete. The default is Delete.",
    )
    revision_history_limit: int = Field(
        default=5, ge=0, le=50, description="Old revisions that are kept to go back to, 0 to 50. The default is 5."
    )
