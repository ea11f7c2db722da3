"""The v1 protocol, as KServe and TensorFlow Serving speak it: rows as `instances`, or the column form `inputs`."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.protocols import tfs
from modelmoor_server.rest import numbers, payload, values
from modelmoor_server.rest.calls import HttpCall

if TYPE_CHECKING:
    from modelmoor_server.exchange import InferenceRequest, InferenceResponse
    from modelmoor_server.intake import Intake


class V1Call(HttpCall):
    """`POST /v1/models/{model}:predict`."""

    __slots__ = ("_by_columns",)
    door: ClassVar[str] = "v1"
    noted: ClassVar[tuple[str, ...]] = ("_by_columns",)

    def __init__(self, intake: "Intake", body: bytes) -> None:
        super().__init__(intake, body)
        self._by_columns = False

    def _decode(self) -> "InferenceRequest":
        if (request := numbers.of_v1(self._intake, self._body)) is not None:
            return request
        document = payload.parse(self._body)
        rows, columns = document.get("instances"), document.get("inputs")
        self._by_columns = columns is not None
        if (rows is None) == (columns is None):
            raise InvalidRequest("The body must have either instances (a list of rows) or inputs (columns).")
        intake = self._intake
        chosen = tfs.signed(intake, payload.text(document, "signature_name"))
        given = values.without_base64(columns if rows is None else rows, self._body, chosen.signature)
        if rows is None and not isinstance(given, (list, dict)) and len(chosen.signature.inputs) == 1:
            given = {chosen.signature.inputs[0].name: given}  # a scalar, for the one input of a model that takes it
        convert = intake.from_columns if rows is None else intake.from_instances
        return chosen.request(intake, convert(given, chosen.signature))

    def _encode(self, response: "InferenceResponse") -> bytes:
        if len(response.outputs) == 1 and not self._by_columns:
            (only,) = response.outputs
            if (text := values.plain(only.array)) is not None:
                return b'{"predictions":%b}' % text
        outputs = tfs.public(response.outputs)
        if not self._by_columns:
            return values.dump({"predictions": values.rows(outputs)})
        columns = values.column(outputs[0]) if len(outputs) == 1 else {o.name: values.column(o) for o in outputs}
        body: dict[str, Any] = {"outputs": columns}
        with suppress(InvalidRequest):  # outputs that are not one a row have no other form than columns
            # KServe answers `predictions` to both forms, TensorFlow Serving answers columns by `outputs`.
            body["predictions"] = values.rows(outputs)
        return values.dump(body)
