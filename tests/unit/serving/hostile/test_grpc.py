"""The gRPC port under malformed calls: each ends with the status that says whose fault it is, and touches nobody."""

import pytest

from modelmoor_server.grpc.wire import delimited
from unit.serving.hostile import grpc_cases
from unit.serving.hostile.doors import MARKER, Door, Sending
from unit.serving.hostile.grpc_doors import INFER, INFERENCE, REFLECTION, STREAM, STREAMED, Neighbours, written
from unit.serving.hostile.rest_doors import V2
from unit.serving.hostile.test_malformed import MIB, quiet, resident
from unit.serving.process import Started

BOTH_TRANSPORTS = "doors"


@pytest.mark.parametrize("name", grpc_cases.REFUSED)
def test_refused(doors: Started, neighbour: Neighbours, name: str) -> None:
    """Each kind of malformed call ends with its own status and our own sentence; the next caller gets his answer."""
    code, sending = grpc_cases.REFUSED[name]
    verdict = INFER.send(doors, sending())

    assert verdict.text.startswith(f"{code}: "), verdict.text[:500]
    assert MARKER not in verdict.text
    neighbour.ask()
    quiet(doors)


# grpc itself ends a call whose message or metadata is beyond the limit, a stream's, too
IN_A_STREAM = {
    name: make().body
    for name, (code, make) in grpc_cases.REFUSED.items()
    if make().target == f"{INFERENCE}/ModelInfer" and code != grpc_cases.EXHAUSTED
}


@pytest.mark.parametrize("name", IN_A_STREAM)
def test_refused_in_a_stream(doors: Started, name: str) -> None:
    """In a stream the same request is a message with an error, and the request behind it is answered."""
    verdict = STREAMED.send(doors, Sending(STREAM, IN_A_STREAM[name]))

    assert verdict.refused, verdict.text[:500]
    assert MARKER not in verdict.text
    quiet(doors)


@pytest.mark.slow
def test_bombs_are_not_unpacked(doors: Started, neighbour: Neighbours) -> None:
    """Two hundred kilobytes that become two hundred megabytes are refused while they grow, and leave no trace."""
    bomb = Sending(f"{INFERENCE}/ModelInfer", bytes(200 * MIB), packed=True)
    INFER.send(doors, bomb)  # the first one may leave buffers behind
    before = resident(doors)
    for _ in range(5):
        assert "RESOURCE_EXHAUSTED" in INFER.send(doors, bomb).text
        neighbour.ask()
    assert resident(doors) < before + 128  # the allocator keeps one message of 64 MiB, perhaps; not five
    quiet(doors)


_LARGE = written({"1": "sum", "5": [{"1": "x", "2": "FP64", "3": [1, 3]}]}) + delimited(7, bytes(40 * MIB))
_STATED = {"Inference-Header-Content-Length": "0"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("door", "sending"),
    [
        (INFER, Sending(f"{INFERENCE}/ModelInfer", bytes(40 * MIB))),
        (INFER, Sending(f"{INFERENCE}/ModelInfer", _LARGE)),
        (INFER, Sending(f"{INFERENCE}/ModelInfer", _LARGE.replace(b"sum", b"sun", 1))),
        (STREAMED, Sending(STREAM, bytes(40 * MIB))),
        (STREAMED, Sending(STREAM, _LARGE)),
        (V2, Sending("/v2/models/sum/infer", bytes(40 * MIB + 1), _STATED)),
    ],
    ids=["no message", "another size", "no such model", "stream, no message", "stream, another size", "HTTP"],
)
def test_refused_bodies_are_let_go(doors: Started, door: Door, sending: Sending) -> None:
    """The memory of a large request that is refused is free at once, not at some collection of garbage."""
    door.send(doors, sending)
    before = resident(doors)
    for _ in range(8):
        assert door.send(doors, sending).refused
    assert resident(doors) < before + 150  # eight would be 320
    quiet(doors)


def test_reflection_knows_no_strange_names(doors: Started) -> None:
    """Whatever a client asks for that is not there is not found, and told so within the stream."""
    for field in ("3", "4", "5", "6"):
        for name in ("", ".", "..", MARKER, "\0", "a" * 5000, "google.protobuf.", "inference.ModelInferRequest.name"):
            asked = {"1": name, "2": 1} if field == "5" else name
            verdict = STREAMED.send(doors, Sending(REFLECTION, written({field: asked})))

            assert verdict.answered, (field, name, verdict)
    quiet(doors)
