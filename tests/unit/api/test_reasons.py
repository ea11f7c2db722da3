"""The words that travel."""

import re
import string

import pytest

from modelmoor_operator.api.reasons import HINT_FACTS, Course, Reason

SERVER_REASONS = [
    "UnknownScheme",
    "ModelNotFound",
    "EmptyArtifact",
    "AccessDenied",
    "StoreUnavailable",
    "DigestMismatch",
    "TooLarge",
    "UnknownFormat",
    "CorruptArtifact",
    "VersionMismatch",
    "UnsafeArtifact",
    "LoadFailed",
    "WarmupFailed",
    "InvalidSettings",
]


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_one_word_everywhere(reason: Reason) -> None:
    """The name in the code is the word in conditions, events, logs and metrics, in the form of Kubernetes."""
    assert reason.name == reason.value == str(reason)
    assert re.fullmatch(r"[A-Z][A-Za-z]{2,62}", reason)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.course in (Course.Stalled, Course.Waiting)])
def test_what_can_go_wrong_has_a_next_step(reason: Reason) -> None:
    """A person at three in the morning is never left with a word alone, and the hint fits the status field."""
    hint = reason.hint_for({"namespace": "n" * 63, "name": "m" * 40, "pod": "p" * 80})

    assert len(hint) > 20
    assert len(hint) <= 512


@pytest.mark.parametrize("reason", Reason)
def test_hints_ask_for_known_facts_alone(reason: Reason) -> None:
    """A hint names in braces only what a caller can know."""
    asked = {field for _, field, _, _ in string.Formatter().parse(reason.hint) if field is not None}

    assert asked <= set(HINT_FACTS)


def test_a_hint_carries_the_command_to_type() -> None:
    """Known facts are filled in; an unknown one is a blank that a person sees."""
    hint = Reason.LoadFailed.hint_for({"namespace": "flowers", "pod": ""})

    assert "kubectl -n flowers logs <pod> -c model" in hint


@pytest.mark.parametrize("word", SERVER_REASONS)
def test_every_reason_that_the_server_sends_is_known(word: str) -> None:
    """A termination message is never met with a word that the operator lacks, and each belongs to a phase."""
    assert Reason[word].phase is not None
