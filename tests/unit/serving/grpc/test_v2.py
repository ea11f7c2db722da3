"""Open Inference Protocol v2 over gRPC, with real models behind the real process."""

from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import joblib
import numpy as np
import pytest

from unit.serving.grpc.client import ROW, Client, message, request, status
from unit.serving.process import PEOPLE, Started

BOTH_TRANSPORTS = "doors"
ROWS = [ROW, [1.0, -1.0, 0.5, 2.0]]


async def refused(client: Client, asked: Any) -> tuple[str, str]:
    """Code and sentence of a ModelInfer that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as told:
        await client.infer(asked)
    return status(told.value)


async def test_typed_contents_are_answered_typed(doors: Started, models: Path) -> None:
    """Labels and scores are those of the model in process, in the asked order; the id comes back."""
    model = joblib.load(models / "iris.joblib")
    asked = request(
        values=np.ravel(ROWS), id="my-id", outputs=[{"name": "predict_proba"}, {"name": "predict"}], model_version="1"
    )
    async with Client(doors.grpc_port) as client:
        answer = await client.infer(asked)

    assert (answer.model_name, answer.id) == ("iris", "my-id")
    scores, labels = answer.outputs
    assert (scores.name, scores.datatype, list(scores.shape)) == ("predict_proba", "FP64", [2, 3])
    np.testing.assert_array_equal(np.reshape(scores.contents.fp64_contents, (2, 3)), model.predict_proba(ROWS))
    assert [text.decode() for text in labels.contents.bytes_contents] == model.predict(ROWS).tolist()
    assert not answer.raw_output_contents


async def test_raw_contents_are_answered_raw(doors: Started, models: Path) -> None:
    """Who sends raw gets raw: little-endian elements, and text behind its length."""
    model = joblib.load(models / "iris.joblib")
    asked = message(
        "ModelInferRequest",
        model_name="iris",
        inputs=[{"name": "x", "datatype": "FP32", "shape": [2, 4]}],
        outputs=[{"name": "predict_proba"}, {"name": "predict"}],
        raw_input_contents=[np.array(ROWS, "<f4").tobytes()],
    )
    async with Client(doors.grpc_port) as client:
        answer = await client.infer(asked)

    wanted = np.array(ROWS, "<f4").astype(float)
    scores, labels = answer.raw_output_contents
    np.testing.assert_array_equal(np.frombuffer(scores, "<f8").reshape(2, 3), model.predict_proba(wanted))
    assert labels == b"".join(len(s).to_bytes(4, "little") + s.encode() for s in model.predict(wanted).tolist())
    assert not any(output.HasField("contents") for output in answer.outputs)


async def test_half_floats_go_raw(doors: Started) -> None:
    """FP16 has no typed contents: raw it is taken, typed it is refused with the way out."""
    tensor = {"name": "x", "datatype": "FP16", "shape": [1, 4]}
    async with Client(doors.grpc_port) as client:
        raw = message("ModelInferRequest", model_name="iris", inputs=[tensor])
        raw.raw_input_contents.append(np.array(ROW, "<f2").tobytes())
        answer = await client.infer(raw)
        typed = tensor | {"contents": {"fp32_contents": ROW}}
        told = await refused(client, message("ModelInferRequest", model_name="iris", inputs=[typed]))

    assert answer.outputs[0].datatype == "BYTES"
    assert told == ("INVALID_ARGUMENT", "input 'x': FP16 has no typed contents, send raw_input_contents.")


@pytest.mark.parametrize("raw", [False, True], ids=["typed", "raw"])
async def test_a_table_goes_by_column(doors: Started, models: Path, raw: bool) -> None:
    """Numbers and text of a table, one tensor a column."""
    model = joblib.load(models / "people.joblib")
    table = PEOPLE.head(3)
    texts = [text.encode() for text in table["city"]]
    inputs: list[dict[str, Any]] = [
        {"name": "city", "datatype": "BYTES", "shape": [3]},
        {"name": "age", "datatype": "FP64", "shape": [3, 1]},
    ]
    contents = [b"".join(len(t).to_bytes(4, "little") + t for t in texts), table["age"].to_numpy().tobytes()]
    if not raw:
        inputs[0]["contents"] = {"bytes_contents": texts}
        inputs[1]["contents"] = {"fp64_contents": table["age"].tolist()}
    asked = message("ModelInferRequest", model_name="people", inputs=inputs, outputs=[{"name": "predict_proba"}])
    asked.raw_input_contents.extend(contents if raw else [])
    async with Client(doors.grpc_port) as client:
        (output,) = (answer := await client.infer(asked)).outputs

    got = np.frombuffer(answer.raw_output_contents[0]) if raw else np.array(output.contents.fp64_contents)
    np.testing.assert_array_equal(got.reshape(3, 2), model.predict_proba(table))


async def test_metadata_is_that_of_rest(doors: Started) -> None:
    """Name, versions, platform, and each tensor's name, datatype and shape: the same words at both doors."""
    async with Client(doors.grpc_port) as client:
        for name in ("iris", "people", "text", "sum"):
            answer = await client.call(
                "ModelMetadata", message("ModelMetadataRequest", name=name), "ModelMetadataResponse"
            )
            _, rest = doors.ask("GET", f"/v2/models/{name}")

            assert (answer.name, list(answer.versions), answer.platform) == (name, rest["versions"], rest["platform"])
            for side in ("inputs", "outputs"):
                told = [(t.name, t.datatype, list(t.shape)) for t in getattr(answer, side)]
                assert told == [(t["name"], t["datatype"], list(t["shape"])) for t in rest[side]]


async def test_server_and_model_say_that_they_are_there(doors: Started) -> None:
    """Live, ready, the server's name, and the index of its models."""
    async with Client(doors.grpc_port) as client:
        live = await client.call("ServerLive", message("ServerLiveRequest"), "ServerLiveResponse")
        ready = await client.call("ServerReady", message("ServerReadyRequest"), "ServerReadyResponse")
        model = await client.call("ModelReady", message("ModelReadyRequest", name="sum"), "ModelReadyResponse")
        server = await client.call("ServerMetadata", message("ServerMetadataRequest"), "ServerMetadataResponse")
        index = await client.call("RepositoryIndex", message("RepositoryIndexRequest"), "RepositoryIndexResponse")

    assert (live.live, ready.ready, model.ready) == (True, True, True)
    told = {"name": server.name, "version": server.version, "extensions": list(server.extensions)}
    assert told == doors.ask("GET", "/v2")[1]
    assert [(entry.name, entry.state) for entry in index.models] == [
        (name, "READY") for name in ("iris", "people", "text", "sum")
    ]


async def test_models_are_not_changed_by_callers(doors: Started) -> None:
    """Load and unload are refused by their right name."""
    async with Client(doors.grpc_port) as client:
        for kind in ("Load", "Unload"):
            asked = message(f"RepositoryModel{kind}Request", model_name="iris")
            with pytest.raises(grpc.aio.AioRpcError) as told:
                await client.call(f"RepositoryModel{kind}", asked, f"RepositoryModel{kind}Response")
            assert status(told.value)[0] == "PERMISSION_DENIED"


X = {"name": "x", "datatype": "FP64", "shape": [1, 4]}
REFUSALS = {
    "no input": ({"inputs": []}, "inputs must hold at least one tensor."),
    "no name": ({"inputs": [X | {"name": ""}]}, "inputs[0]: name is missing."),
    "unknown datatype": ({"inputs": [X | {"datatype": "FP99"}]}, "unknown datatype"),
    "another field": (
        {"inputs": [X | {"contents": {"fp32_contents": ROW}}]},
        "input 'x': FP64 goes into fp64_contents, not fp32_contents.",
    ),
    "too few": ({"inputs": [X | {"contents": {"fp64_contents": ROW[:3]}}]}, "needs 4 values, data has 3"),
    "negative shape": ({"inputs": [X | {"shape": [-1, 4]}], "raw_input_contents": [b""]}, "whole numbers"),
    "huge shape": (
        {"inputs": [X | {"shape": [1 << 40, 4]}], "raw_input_contents": [b"12345678"]},
        "the shape has more than",
    ),
    "raw of wrong size": ({"inputs": [X], "raw_input_contents": [b"123"]}, "is 32 bytes, the binary data has 3"),
    "raw of wrong count": ({"inputs": [X], "raw_input_contents": [b"", b""]}, "2 elements for 1 inputs"),
    "both": (
        {"inputs": [X | {"contents": {"fp64_contents": ROW}}], "raw_input_contents": [bytes(32)]},
        "must not both be sent",
    ),
    "raw truth": (
        {"inputs": [X | {"datatype": "BOOL"}], "raw_input_contents": [b"\0\1\2\0"]},
        "a BOOL in binary form is a byte of 0 or 1",
    ),
    "broken text": (
        {"inputs": [X | {"datatype": "BYTES"}], "raw_input_contents": [b"\x09\0\0\0ab"]},
        "ends before element 1",
    ),
    "text for numbers": (
        {"inputs": [X | {"datatype": "BYTES", "contents": {"bytes_contents": [b"secret"] * 4}}]},
        "expected FP64, got BYTES",
    ),
    "given twice": ({"inputs": [X | {"contents": {"fp64_contents": ROW}}] * 2}, "given twice"),
    "unknown output": (
        {"inputs": [X | {"contents": {"fp64_contents": ROW}}], "outputs": [{"name": "nope"}]},
        "no such output",
    ),
    "shared memory": (
        {"inputs": [X | {"parameters": {"shared_memory_region": {"string_param": "r"}}}]},
        "shared memory is not supported",
    ),
    "classification": (
        {
            "inputs": [X | {"contents": {"fp64_contents": ROW}}],
            "outputs": [{"name": "predict", "parameters": {"classification": {"int64_param": 3}}}],
        },
        "classification needs a score for each class",
    ),
    "content type": ({"inputs": [X], "parameters": {"content_type": {"string_param": "pickle"}}}, "content_type"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_what_does_not_fit_is_the_callers_to_change(doors: Started, case: str) -> None:
    """INVALID_ARGUMENT and a sentence that names the place, never a value."""
    members, wanted = REFUSALS[case]
    async with Client(doors.grpc_port) as client:
        code, sentence = await refused(client, message("ModelInferRequest", model_name="iris", **members))

    assert code == "INVALID_ARGUMENT"
    assert wanted in sentence
    assert "secret" not in sentence


async def test_unknown_names_are_not_found(doors: Started) -> None:
    """No such model, no such version, no such method, no message at all: each by its own status."""
    async with Client(doors.grpc_port) as client:
        assert await refused(client, request("nope")) == (
            "NOT_FOUND",
            "No such model here; there is iris, people, text, sum.",
        )
        assert (await refused(client, request(model_version="2")))[0] == "NOT_FOUND"
        assert await refused(client, b"\xff\xff") == ("INVALID_ARGUMENT", "The message is no ModelInferRequest.")
        assert (await refused(client, b"\x0a\x02\xff\xfe"))[0] == "INVALID_ARGUMENT"
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await client.call("ModelConfig", b"", "ServerLiveResponse")
        assert told.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_predictions_are_counted_by_door(doors: Started) -> None:
    """The metrics of the HTTP doors, under the label grpc."""

    def counted(code: int) -> float:
        line = f'modelmoor_requests_total{{code="{code}",door="grpc",model="sum"}} '
        text = doors.ask("GET", "/metrics")[1].decode()
        return next((float(found.split()[-1]) for found in text.splitlines() if found.startswith(line)), 0.0)

    before = counted(200), counted(400)
    async with Client(doors.grpc_port) as client:
        await client.infer(request("sum", [1.0, 2.0, 3.0], columns=3))
        await refused(client, request("sum", [1.0, 2.0], columns=2))

    assert (counted(200), counted(400)) == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_compressed_requests_are_read(doors: Started, compression: grpc.Compression) -> None:
    """gzip and deflate on the way in, and gzip on the way out for who asks."""
    async with Client(doors.grpc_port) as client:
        plain = await client.infer(request())
        packed = await client.infer(request(), compression=compression, metadata=(("accept-encoding", "gzip"),))

    assert packed == plain
