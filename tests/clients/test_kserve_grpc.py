"""The kserve package's gRPC client."""

from collections.abc import Callable
from typing import Any

import pytest

from clients.compare import check
from clients.conftest import Answers

pytestmark = pytest.mark.slow
CLIENT, DOOR = "kserve", "v2 gRPC"


@pytest.fixture(scope="module")
def kserve(ask: Callable[[str], Answers]) -> Answers:
    """The cases of the script."""
    return ask("kserve/over_grpc.py")


def test_health_is_what_the_client_takes_it_for(kserve: Answers) -> None:
    """Live, ready, a model."""
    assert kserve["health"] == [True, True, True]


@pytest.mark.parametrize("raw", ["False", "True"])
def test_typed_and_raw_contents(kserve: Answers, truth: dict[str, Any], raw: str) -> None:
    """Both ways of filling a message give the same answers, with the id."""
    answer = kserve["matrix"][raw]

    assert answer["id"] == "42"
    check(answer["predict"], truth["iris"]["predict"], "object")
    check(answer["predict_proba"], truth["iris"]["predict_proba"], "float64")
    check(kserve["columns"][raw], truth["rents"]["predict_columns"], "float64")


def test_pictures_in_float32(kserve: Answers, truth: dict[str, Any]) -> None:
    """A Keras model answers as in its own process."""
    check(kserve["pictures"], truth["net"]["classes"], "float32")


def test_float16_goes_raw(kserve: Answers, truth: dict[str, Any]) -> None:
    """The protocol has no typed field for it."""
    check(kserve["halves"], truth["iris"]["predict_proba_fp16"], "float64")


def test_requests_at_once_get_their_own_answers(kserve: Answers, truth: dict[str, Any]) -> None:
    """Answers are not mixed up."""
    assert kserve["many_at_once"] == truth["iris"]["predict"]


@pytest.mark.parametrize(("case", "code"), [("unknown_model", "NOT_FOUND"), ("wrong_type", "INVALID_ARGUMENT")])
def test_a_refusal_has_its_code(kserve: Answers, case: str, code: str) -> None:
    """And a sentence."""
    seen, sentence = kserve[case]

    assert seen == code
    assert sentence
