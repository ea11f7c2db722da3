"""When a model waits for its autoscaler, and what it says meanwhile."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelmoor_operator.api.reasons import Reason
from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.errors import Waiting
from modelmoor_operator.kinds import AUTOSCALER, DEPLOYMENT, SCALED_OBJECT, Kind
from modelmoor_operator.observed import scaling
from modelmoor_operator.served import Served
from support.manifests import model

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
GONE_SOON = "2026-11-21T11:59:50Z"
GONE_LONG_AGO = "2026-11-21T11:59:00Z"
WITH_KEDA = Served(frozenset({SCALED_OBJECT}))
BY_KEDA = {"engine": "KEDA", "maxReplicas": 2, "triggers": [{"type": "cron"}]}
BY_HPA = {"maxReplicas": 2}


def parsed(status: dict[str, Any] | None = None, **spec: Any) -> ModelDeployment:
    body = model(**spec)
    body["metadata"] |= {"namespace": "flowers", "uid": "1"}
    return ModelDeployment.parse(body | {"status": status or {}})


def scaled_object(**metadata: Any) -> dict[str, Any]:
    return {"kind": "ScaledObject", "metadata": {"name": "iris", "finalizers": ["finalizer.keda.sh"], **metadata}}


def hpa(**metadata: Any) -> dict[str, Any]:
    return {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "iris", **metadata}}


def kedas_hpa() -> dict[str, Any]:
    owner = {"kind": "ScaledObject", "name": "iris", "uid": "2", "controller": True}
    return hpa(ownerReferences=[owner])


@pytest.mark.parametrize(
    ("autoscaling", "kind", "body", "found"),
    [
        (BY_KEDA, SCALED_OBJECT, scaled_object(), False),
        (BY_HPA, SCALED_OBJECT, scaled_object(deletionTimestamp=GONE_SOON), True),
        (BY_KEDA, SCALED_OBJECT, scaled_object(deletionTimestamp=GONE_SOON), True),
        (BY_HPA, AUTOSCALER, hpa(), False),
        (BY_KEDA, AUTOSCALER, hpa(deletionTimestamp=GONE_SOON), True),
        (BY_KEDA, AUTOSCALER, kedas_hpa(), False),
        (BY_HPA, AUTOSCALER, kedas_hpa(), True),
        (None, AUTOSCALER, kedas_hpa(), True),
        (None, DEPLOYMENT, {"kind": "Deployment", "metadata": {"deletionTimestamp": GONE_SOON}}, False),
    ],
)
def test_an_autoscaler_that_is_leaving_is_waited_for(
    autoscaling: dict[str, Any] | None, kind: Kind, body: dict[str, Any], found: bool
) -> None:
    """One that is deleted and still there, and KEDA's own HPA once KEDA is not asked for any more."""
    md = parsed(**({"autoscaling": autoscaling} if autoscaling else {}))

    assert (scaling.leaving(md, [(kind, body)]) is body) is found


def reason(md: ModelDeployment, gone: dict[str, Any] | None, served: Served = WITH_KEDA) -> Reason:
    with pytest.raises(Waiting) as waiting:
        scaling.check(md, gone, served, NOW)
    return waiting.value.reason


def test_keda_gets_half_a_minute_before_it_is_called_silent() -> None:
    """A finalizer is taken off in a second or two; one that stays for longer needs a person."""
    assert reason(parsed(), scaled_object(deletionTimestamp=GONE_SOON)) is Reason.Terminating
    assert reason(parsed(), scaled_object(deletionTimestamp=GONE_LONG_AGO)) is Reason.KedaNotResponding


def test_an_hpa_that_keda_left_behind_is_called_so_by_the_status_own_memory() -> None:
    """It bears no time of its deletion, for nobody deletes it: how long it was waited for stands in the status."""

    def waiting_for(seconds: float) -> ModelDeployment:
        since = (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = {
            "type": "Ready",
            "status": "False",
            "reason": "Terminating",
            "message": "",
            "lastTransitionTime": since,
        }
        return parsed({"conditions": [ready]})

    assert reason(parsed(), kedas_hpa()) is Reason.Terminating
    assert reason(waiting_for(10), kedas_hpa()) is Reason.Terminating
    assert reason(waiting_for(40), kedas_hpa()) is Reason.KedaNotResponding


def test_our_own_hpa_is_never_laid_at_kedas_door() -> None:
    """Somebody deleted it in the foreground, or another finalizer keeps it."""
    assert reason(parsed(), hpa(deletionTimestamp=GONE_LONG_AGO)) is Reason.Terminating


def test_nothing_is_said_where_nothing_is_in_the_way() -> None:
    """KEDA that is served, or is not asked for."""
    assert reason(parsed(autoscaling=BY_KEDA), None, Served()) is Reason.KedaNotInstalled
    scaling.check(parsed(autoscaling=BY_KEDA), None, WITH_KEDA, NOW)
    scaling.check(parsed(autoscaling=BY_HPA), None, Served(), NOW)
    scaling.check(parsed(), None, Served(), NOW)
