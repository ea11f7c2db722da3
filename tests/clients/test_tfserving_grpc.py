"""TensorFlow Serving's gRPC API, through its own stubs."""

from collections.abc import Callable
from typing import Any

import pytest

from clients.compare import check
from clients.conftest import Answers

pytestmark = pytest.mark.slow
CLIENT, DOOR = "tensorflow-serving-api", "TensorFlow Serving gRPC"


@pytest.fixture(scope="module")
def serving(ask: Callable[[str], Answers]) -> Answers:
    """The cases of the script."""
    return ask("tfserving/over_grpc.py")


def test_status_says_available(serving: Answers) -> None:
    """ModelService has the one version."""
    assert serving["status"] == [[1, "AVAILABLE"]]


def test_metadata_is_a_signature(serving: Answers) -> None:
    """Names, types and shapes as TensorFlow has them."""
    signature = serving["metadata"]

    assert signature["methodName"] == "tensorflow/serving/predict"
    assert signature["inputs"]["image"]["dtype"] == "DT_FLOAT"
    assert [size["size"] for size in signature["inputs"]["image"]["tensorShape"]["dim"]] == ["-1", "6", "6", "1"]


def test_pictures_in_float32(serving: Answers, truth: dict[str, Any]) -> None:
    """With and without a version."""
    for outputs in serving["pictures"]:
        (output,) = outputs
        check(output, truth["net"]["classes"], "float32")


def test_a_filter_names_the_outputs(serving: Answers, truth: dict[str, Any]) -> None:
    """Columns of numbers in, labels and probabilities out."""
    check(serving["flowers"]["predict"], truth["iris"]["predict"], "object")
    check(serving["flowers"]["predict_proba"], truth["iris"]["predict_proba"], "float64")


def test_text_columns(serving: Answers, truth: dict[str, Any]) -> None:
    """DT_STRING beside numbers, which TensorFlow makes float32 and int32 of."""
    answer = serving["columns"]["predict"]

    assert answer["dtype"] == "float64"
    assert answer["data"] == pytest.approx(truth["rents"]["predict_columns"], rel=1e-6)


def test_float16(serving: Answers, truth: dict[str, Any]) -> None:
    """DT_HALF both ways."""
    (output,) = serving["halves"]
    check(output, truth["half"]["sums"], "float16")


def test_a_refusal_has_its_code(serving: Answers) -> None:
    """What is not there is not found, what does not fit is an invalid argument; each with a sentence."""
    refusals = serving["refusals"]

    assert {what: code for what, (code, _) in refusals.items()} == {
        "model": "NOT_FOUND",
        "version": "NOT_FOUND",
        "signature": "INVALID_ARGUMENT",
        "shape": "INVALID_ARGUMENT",
    }
    assert all(sentence for _, sentence in refusals.values())


def test_what_has_no_counterpart_says_so(serving: Answers) -> None:
    """Classify takes tf.Example, of which these models know nothing."""
    code, sentence = serving["classify"]

    assert code == "UNIMPLEMENTED"
    assert sentence
