"""What the port serves: a method's path -> bytes in, bytes out."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

from modelmoor_server.control import Control
from modelmoor_server.grpc.calls import Caller, Models, Respond, Withdrawable
from modelmoor_server.grpc.health import Health
from modelmoor_server.grpc.reflection import Reflection
from modelmoor_server.grpc.repository import RepositoryCalls
from modelmoor_server.grpc.tfs import TensorFlowServing
from modelmoor_server.grpc.v2 import V2
from modelmoor_server.metrics import Counters
from modelmoor_server.protocols.v2 import extensions
from modelmoor_server.repository import Repository

INFERENCE = "inference.GRPCInferenceService"
PREDICTION, MODEL = "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"
HEALTH = "grpc.health.v1.Health"
REFLECTION = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
SERVICES = (INFERENCE, PREDICTION, MODEL, HEALTH, *REFLECTION)


@dataclass(frozen=True, slots=True)
class Unary:
    """One message in, one out. Raises RequestError.

    begin: the same without a coroutine, for a transport that can do with that: the answer, or the error, goes to a
    function, at once or later. It gives what can be withdrawn, or None where the request is for `answer`.
    """

    answer: Callable[[bytes, Caller], Awaitable[bytes]]
    begin: Callable[[bytes, Caller, Respond], Withdrawable | None] | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """Messages out for messages in (a client that sends but one sends a stream of one). Raises RequestError."""

    answers: Callable[[AsyncIterator[bytes], Caller], AsyncIterator[bytes]]


def methods(repository: Repository, counters: Counters, control: Control) -> Mapping[str, Unary | Stream]:
    """Every method by its path."""
    models = Models(repository, counters)
    v2, tfs, changes = V2(models, extensions(control.allowed)), TensorFlowServing(models), RepositoryCalls(control)
    health, reflection = Health(repository, SERVICES), Reflection(SERVICES)
    return {
        f"/{INFERENCE}/ServerLive": Unary(v2.server_live),
        f"/{INFERENCE}/ServerReady": Unary(v2.server_ready),
        f"/{INFERENCE}/ModelReady": Unary(v2.model_ready),
        f"/{INFERENCE}/ServerMetadata": Unary(v2.server_metadata),
        f"/{INFERENCE}/ModelMetadata": Unary(v2.model_metadata),
        f"/{INFERENCE}/ModelInfer": Unary(v2.model_infer, v2.begin_infer),
        f"/{INFERENCE}/ModelStreamInfer": Stream(v2.model_stream_infer),
        f"/{INFERENCE}/RepositoryIndex": Unary(changes.index),
        f"/{INFERENCE}/RepositoryModelLoad": Unary(changes.load),
        f"/{INFERENCE}/RepositoryModelUnload": Unary(changes.unload),
        f"/{PREDICTION}/Predict": Unary(tfs.predict),
        f"/{PREDICTION}/GetModelMetadata": Unary(tfs.get_model_metadata),
        f"/{MODEL}/GetModelStatus": Unary(tfs.get_model_status),
        # Examples in, class lists out: for models that were exported with such signatures, which no runtime has.
        f"/{PREDICTION}/Classify": Unary(tfs.unimplemented),
        f"/{PREDICTION}/Regress": Unary(tfs.unimplemented),
        f"/{PREDICTION}/MultiInference": Unary(tfs.unimplemented),
        f"/{MODEL}/HandleReloadConfigRequest": Unary(tfs.unimplemented),
        f"/{HEALTH}/Check": Unary(health.check),
        f"/{HEALTH}/Watch": Stream(health.watch),
        **{f"/{service}/ServerReflectionInfo": Stream(reflection.info) for service in REFLECTION},
    }
