"""The v1 protocol, as KServe speaks it: rows as `instances`, or the column form `inputs`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.repository import Entry, State
from modelmoor_server.rest import payload, slices
from modelmoor_server.rest.calls import HttpCall

if TYPE_CHECKING:
    from modelmoor_server.inference import InferenceRequest, InferenceResponse, OutputTensor

VERSION = "1"  # what TensorFlow's clients, which want a number, may call the one version that is served


class V1Call(HttpCall):
    """`POST /v1/models/{model}:predict`."""

    __slots__ = ("_by_columns",)
    door: ClassVar[str] = "v1"

    def decode(self) -> "InferenceRequest":
        document = payload.parse(self._body)
        rows, columns = document.get("instances"), document.get("inputs")
        self._by_columns = columns is not None
        if (rows is None) == (columns is None):
            raise InvalidRequest("The body must have either instances (a list of rows) or inputs (columns).")
        inference = self._inference
        arrays = inference.from_columns(columns) if columns is not None else inference.from_instances(rows)
        return inference.request(arrays)

    def encode(self, response: "InferenceResponse") -> bytes:
        outputs = response.outputs
        rows = slices.values(outputs[0].array) if len(outputs) == 1 else _by_name(outputs)
        body: dict[str, Any] = {"predictions": rows}
        if self._by_columns:
            # KServe answers `predictions` to both forms, TensorFlow Serving answers columns by `outputs`.
            body["outputs"] = (
                rows if len(outputs) == 1 else {output.name: slices.values(output.array) for output in outputs}
            )
        return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def status(entry: Entry) -> dict[str, Any]:
    """What `GET /v1/models/{model}` tells: KServe's answer and TensorFlow Serving's in one."""
    ready = entry.state is State.READY
    state, code = ("AVAILABLE", "OK") if ready else ("LOADING", "UNAVAILABLE")
    return {
        "name": entry.name,
        "ready": ready,
        "model_version_status": [
            {"version": VERSION, "state": state, "status": {"error_code": code, "error_message": ""}}
        ],
    }


def _by_name(outputs: "Sequence[OutputTensor]") -> Any:
    """Several outputs as one object a row."""
    names = [output.name for output in outputs]
    counts = {len(output.array) for output in outputs}
    if len(counts) > 1:
        raise ValueError("the outputs differ in rows")

    def part(start: int, end: int) -> list[dict[str, Any]]:
        columns = (output.array[start:end].tolist() for output in outputs)
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    count, size = counts.pop(), sum(output.array.size for output in outputs)
    return slices.joined(count, max(1, slices.SLICE * count // max(size, 1)), part)
