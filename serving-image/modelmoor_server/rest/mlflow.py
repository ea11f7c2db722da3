"""MLflow's scoring server: `POST /invocations` with data frames or tensors, as JSON or CSV."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import parse_qs

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.http.message import Head, Pending, Respond, Response, Route, error
from modelmoor_server.metrics import Counters
from modelmoor_server.rest import frame, payload, values
from modelmoor_server.rest.calls import HttpCall, PredictRoute

if TYPE_CHECKING:
    from modelmoor_server.exchange import InferenceRequest, InferenceResponse

PATH = b"/invocations"
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
JSON = ("", "application/json", "application/x-www-form-urlencoded")  # the last: what curl -d says of anything
CSV = "text/csv"


class MlflowCall(HttpCall):
    """`POST /invocations` with JSON."""

    __slots__ = ()
    door: ClassVar[str] = "mlflow"

    def _decode(self) -> "InferenceRequest":
        document = payload.parse(self._body)
        given = [form for form in FORMS if form in document]
        if len(given) != 1 or len(document) > 1 + ("params" in document):
            raise InvalidRequest(f"The body must have exactly one of {', '.join(FORMS)}, and beside it at most params.")
        if document.get("params"):
            raise InvalidRequest("params: this model takes none.")
        data, intake = document[given[0]], self._intake
        if given[0] == "dataframe_split":
            arrays = frame.arrays(intake, *frame.of_split(data))
        elif given[0] == "dataframe_records":
            arrays = frame.arrays(intake, *frame.of_records(data))
        else:
            data = values.without_base64(data, self._body, intake.signature)
            arrays = intake.from_columns(data) if given[0] == "inputs" else intake.from_instances(data)
        return intake.request(arrays)

    def _encode(self, response: "InferenceResponse") -> bytes:
        return values.dump({"predictions": values.rows(response.outputs)})


class CsvCall(MlflowCall):
    """`POST /invocations` with CSV."""

    __slots__ = ()

    def _decode(self) -> "InferenceRequest":
        from modelmoor_server.rest import table  # what few requests need

        return self._intake.request(frame.arrays(self._intake, *table.read(self._body, self._intake.signature)))


class Invocations:
    """The route of one model's `/invocations`: by its content type a request is JSON or CSV, or refused."""

    vital = False

    def __init__(self, json: PredictRoute, csv: PredictRoute, counters: Counters) -> None:
        self.body_limit = json.body_limit
        self._json = json
        self._csv = csv
        self._counters = counters

    @property
    def refusal(self) -> Response | None:
        return self._json.refusal

    def start(self, head: Head, body: bytes, respond: Respond) -> Pending | None:
        """Begin to answer."""
        kind, *parameters = head.headers.get(b"content-type", b"").decode("latin-1").lower().replace(" ", "").split(";")
        if any(word not in ("", "charset=utf-8", 'charset="utf-8"') for word in parameters):
            sentence = "The body must be in UTF-8, and its Content-Type may say no more than that."
        elif kind in JSON:
            return self._json.start(head, body, respond)
        elif kind == CSV:
            return self._csv.start(head, body, respond)
        else:
            sentence = "The body must be application/json or text/csv."
        self._counters.refuse(415)
        respond(error(415, sentence))
        return None


def find(query: str, models: Mapping[str, Mapping[bytes, Route]]) -> Mapping[bytes, Route] | Response:
    """Whose `/invocations` is meant: the only model's, or that of `?model=NAME`. models: their routes, by name."""
    named = parse_qs(query, max_num_fields=10).get("model", []) if query.count("&") < 10 else []
    if not named and len(models) == 1:
        return next(iter(models.values()))
    known = ", ".join(f"/invocations?model={name}" for name in models)
    if not named:
        return error(400, f"Several models are served here: name one, as in {known}.")
    if named[0] not in models or len(named) > 1:
        return error(404, f"No such model here; there is {known}.")
    return models[named[0]]
