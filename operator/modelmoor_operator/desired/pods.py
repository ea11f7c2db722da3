"""The pod of a model: `fetch` brings and hashes the artifact with the store's keys, `model` serves it without them."""

from modelmoor_operator.api import durations, quantities
from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired import environment, overlay
from modelmoor_operator.desired.names import (
    GRPC_PORT,
    GRPC_PORT_NAME,
    HTTP_PORT,
    PORT_NAME,
    REVISION_LABEL,
    STABLE_SLOT,
    Body,
    labels,
    selector,
)
from modelmoor_operator.settings import Settings

PRE_STOP_SECONDS = 5
"""How long a pod goes on as before after it was told to end: endpoints and proxies learn of it meanwhile."""

_DRAIN_RESERVE_SECONDS = 15
_PROBE_PERIOD_SECONDS = 2
_LONGEST_LOAD_SECONDS = 3600
_TMP_SIZE = "1Gi"
_VOLUME_RESERVE_KIB = 16 * 1024


def pod_template(md: ModelDeployment, settings: Settings, *, image: str, revision: str) -> Body:
    """The whole pod template of a revision; raises `Stalled` with InvalidPodTemplate where the overlay may not be."""
    rendered: Body = {
        "metadata": {
            "labels": labels(md) | selector(md, STABLE_SLOT),
            # their content is fetched anew: without this, an emptyDir keeps the cluster autoscaler from freeing a node
            "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes": "model,tmp"},
        },
        "spec": {
            "automountServiceAccountToken": False,
            # Services named modelmoor-* would otherwise appear as MODELMOOR_* in the environment
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": PRE_STOP_SECONDS
            + durations.seconds(md.spec.runtime.timeout)
            + _DRAIN_RESERVE_SECONDS,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "topologySpreadConstraints": [
                _spread(md, key) for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
            ],
            "initContainers": [_fetch(md, settings, image)],
            "containers": [_model(md, settings, image)],
            "volumes": _volumes(md),
        },
    }
    if md.spec.service_account_name:
        rendered["spec"]["serviceAccountName"] = md.spec.service_account_name
    merged = overlay.merged(rendered, settings.defaults.pod_template, whose="defaults.podTemplate of the Helm chart")
    own = md.spec.pod_template.wire() if md.spec.pod_template else {}
    merged = overlay.merged(merged, own, whose="spec.podTemplate")
    merged["metadata"]["labels"][REVISION_LABEL] = revision
    if md.spec.model.uri.startswith("file://"):
        overlay.share_mounts(merged["spec"])
    return merged


def _fetch(md: ModelDeployment, settings: Settings, image: str) -> Body:
    mounts: list[Body] = [
        {"name": "model", "mountPath": environment.MODEL_DIR},
        {"name": "tmp", "mountPath": "/tmp", "subPath": "fetch"},  # noqa: S108 - the container's own
    ]
    if environment.secret_name(md):
        mounts.append({"name": "credentials", "mountPath": environment.CREDENTIALS_DIR, "readOnly": True})
    if environment.claim_name(md):
        mounts.append({"name": "pvc", "mountPath": environment.CLAIM_DIR, "readOnly": True})
    own = md.spec.storage.fetch.resources if md.spec.storage.fetch else None
    return _container(
        settings,
        image,
        name="fetch",
        env=_env(environment.fetch_environment(md)),
        mounts=mounts,
        resources=own.wire() if own else settings.defaults.fetch_resources,
    )


def _model(md: ModelDeployment, settings: Settings, image: str) -> Body:
    # The deadline tells of a slow load; a kill would only begin it anew. The deadline may be raised without a new
    # revision, so this must not follow it closely.
    longest = max(_LONGEST_LOAD_SECONDS, durations.seconds(md.spec.rollout.progress_deadline))
    ready: Body = {"path": "/v2/health/ready", "port": PORT_NAME}
    live: Body = {"path": "/v2/health/live", "port": PORT_NAME}
    own = [variable.wire() for variable in md.spec.runtime.env]
    container = _container(
        settings,
        image,
        name="model",
        env=_env(environment.serve_environment(md, settings)) + own,
        mounts=[
            {"name": "model", "mountPath": environment.MODEL_DIR, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp", "subPath": "model"},  # noqa: S108 - the container's own
        ],
        resources=md.spec.resources.wire() if md.spec.resources else settings.defaults.resources,
    )
    return container | {
        "ports": [
            {"name": name, "containerPort": port, "protocol": "TCP"}
            for name, port in ((PORT_NAME, HTTP_PORT), (GRPC_PORT_NAME, GRPC_PORT))
        ],
        # liveness begins after the load
        "startupProbe": {
            "httpGet": ready,
            "periodSeconds": _PROBE_PERIOD_SECONDS,
            "timeoutSeconds": 5,
            "failureThreshold": longest // _PROBE_PERIOD_SECONDS,
        },
        "readinessProbe": {"httpGet": ready, "periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 3},
        "livenessProbe": {"httpGet": live, "periodSeconds": 10, "timeoutSeconds": 10, "failureThreshold": 6},
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
    }


def _container(
    settings: Settings, image: str, *, name: str, env: list[Body], mounts: list[Body], resources: Body
) -> Body:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": settings.image_pull_policy,
        "args": ["fetch" if name == "fetch" else "serve"],
        "env": env,
        "resources": resources,
        "volumeMounts": mounts,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _volumes(md: ModelDeployment) -> list[Body]:
    limit = environment.size_limit(md)
    # `fetch` refuses what is larger with a clear reason; the kubelet's eviction stands behind it with some room
    room = {"sizeLimit": quantities.canonical(f"{-(-int(limit) // 1024) + _VOLUME_RESERVE_KIB}Ki")} if limit else {}
    volumes: list[Body] = [
        {"name": "model", "emptyDir": room},
        {"name": "tmp", "emptyDir": {"sizeLimit": _TMP_SIZE}},
    ]
    secret, claim = environment.secret_name(md), environment.claim_name(md)
    if secret:
        volumes.append({"name": "credentials", "secret": {"secretName": secret}})
    if claim:
        volumes.append({"name": "pvc", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}})
    return volumes


def _spread(md: ModelDeployment, key: str) -> Body:
    return {
        "topologyKey": key,
        "maxSkew": 1,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector(md, STABLE_SLOT)},
        "matchLabelKeys": ["pod-template-hash"],
    }


def _env(variables: dict[str, str]) -> list[Body]:
    return [{"name": name, "value": value} for name, value in variables.items()]
