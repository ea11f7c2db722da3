"""MLflow's scoring server: `POST /invocations` with data frames or tensors, as JSON or CSV.

A frame goes by name where the model knows names (a table, several inputs), and by position where it knows none.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.http.message import Head, Pending, Respond, Response, Route, error
from modelmoor_server.metrics import Counters
from modelmoor_server.rest import payload, values
from modelmoor_server.rest.calls import HttpCall, PredictRoute

if TYPE_CHECKING:
    from modelmoor_server.exchange import InferenceRequest, InferenceResponse
    from modelmoor_server.intake import Intake

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
            arrays = from_frame(intake, *_split(data))
        elif given[0] == "dataframe_records":
            arrays = from_frame(intake, *_records(data))
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

        return self._intake.request(from_frame(self._intake, *table.read(self._body, self._intake.signature)))


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


def from_frame(intake: "Intake", columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """A data frame as arrays by public name. Raises InvalidRequest."""
    signature = intake.signature
    if not rows:
        raise InvalidRequest("The data frame has no rows.")
    if signature.records:
        return intake.from_instances([dict(zip(columns, row, strict=True)) for row in rows])
    if signature.columns is not None or len(signature.inputs) > 1:
        texts = {field.name for field in signature.inputs if field.datatype == "BYTES"}
        return intake.from_columns(
            {name: _cells([row[i] for row in rows], text=name in texts) for i, name in enumerate(columns)}
        )
    # The one input has no names for its columns: they go by position, as they would in process.
    cells = [row[0] for row in rows] if len(columns) == 1 else [list(row) for row in rows]
    return intake.from_columns({signature.inputs[0].name: cells})


def _cells(cells: list[Any], *, text: bool) -> list[Any]:
    """A column; pandas writes a missing text as NaN, where JSON has null."""
    if not text and not any(type(cell) is str for cell in cells):
        return cells
    return [None if type(cell) is float and cell != cell else cell for cell in cells]


def _split(data: Any) -> tuple[list[str], list[list[Any]]]:
    if not isinstance(data, dict) or not data.keys() <= {"columns", "index", "data"} or "data" not in data:
        raise InvalidRequest("dataframe_split must be an object of columns, data and, if you like, index.")
    rows, names = data["data"], data.get("columns")
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise InvalidRequest("dataframe_split: data must be a list of rows, each a list.")
    if names is None:  # pandas numbers them
        names = list(range(len(rows[0]))) if rows else []
    if not isinstance(names, list) or not all(type(name) in (str, int) for name in names):
        raise InvalidRequest("dataframe_split: columns must be a list of names.")
    columns = [str(name) for name in names]
    if len(set(columns)) < len(columns) or not columns:
        raise InvalidRequest("dataframe_split: columns must be at least one name, and none of them twice.")
    odd = next((i for i, row in enumerate(rows) if len(row) != len(columns)), None)
    if odd is not None:
        raise InvalidRequest(f"dataframe_split, row {odd}: expected {len(columns)} values, got {len(rows[odd])}.")
    return columns, rows


def _records(data: Any) -> tuple[list[str], list[list[Any]]]:
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data) or not data or not data[0]:
        raise InvalidRequest("dataframe_records must be a list of at least one object by column.")
    columns = list(data[0])
    odd = next((i for i, row in enumerate(data) if row.keys() != data[0].keys()), None)
    if odd is not None:
        raise InvalidRequest(f"dataframe_records, row {odd}: its columns are not those of row 0.")
    return columns, [list(map(row.__getitem__, columns)) for row in data]
