"""The words that travel: each reason is one string in conditions, events, logs and metrics, defined here alone."""

from collections import defaultdict
from collections.abc import Mapping
from enum import StrEnum
from typing import Self


class ConditionType(StrEnum):
    """The conditions of a ModelDeployment; the first two are always present, the others only while they hold."""

    Available = "Available"
    Ready = "Ready"
    Reconciling = "Reconciling"
    Stalled = "Stalled"


class Phase(StrEnum):
    """How far a revision comes on its way to serving."""

    Resolve = "Resolve"
    Schedule = "Schedule"
    Fetch = "Fetch"
    Verify = "Verify"
    Load = "Load"
    Warmup = "Warmup"
    Serve = "Serve"


class Course(StrEnum):
    """What happens next without a person."""

    Settled = "Settled"  # nothing moves and nothing should
    Progressing = "Progressing"  # it moves towards what the spec asks for
    Waiting = "Waiting"  # it is tried again and may heal by itself; the progress deadline ends the patience
    Stalled = "Stalled"  # it needs a person or a change


_LOGS = "Read the log: kubectl -n {namespace} logs {pod} -c model --previous"
_FETCH_LOGS = "Read the log: kubectl -n {namespace} logs {pod} -c fetch"
_DESCRIBE_POD = "See the events of the pod: kubectl -n {namespace} describe pod {pod}"


class Reason(StrEnum):
    """Why a condition stands as it does, with the phase it belongs to, what happens next, and what a person can do.

    A reason without a phase concerns the object as a whole. Where the server sends a hint of its own, use that one.
    """

    phase: Phase | None
    course: Course
    hint: str

    def __new__(cls, word: str, phase: Phase | None, course: Course, hint: str = "") -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        member.phase = phase
        member.course = course
        member.hint = hint
        return member

    def hint_for(self, facts: Mapping[str, str]) -> str:
        """The next step in one sentence; a fact that nobody knows yet is left as a blank to fill, such as `<pod>`."""
        blanks = defaultdict(str, {key: f"<{key}>" for key in HINT_FACTS})
        return self.hint.format_map(blanks | {key: value for key, value in facts.items() if value})

    # Fine.
    ModelReady = "ModelReady", None, Course.Settled
    ModelAvailable = "ModelAvailable", None, Course.Settled
    ScaledToZero = "ScaledToZero", None, Course.Settled, "Raise spec.replicas to serve again."
    Suspended = (
        "Suspended",
        None,
        Course.Settled,
        "Set spec.suspend to false, and remove the annotation modelmoor.dev/suspend, to let changes through again.",
    )

    # Moving.
    PodsStarting = "PodsStarting", Phase.Schedule, Course.Progressing
    Fetching = "Fetching", Phase.Fetch, Course.Progressing
    Loading = "Loading", Phase.Load, Course.Progressing
    RollingOut = "RollingOut", None, Course.Progressing
    ScalingUp = "ScalingUp", None, Course.Progressing
    Terminating = "Terminating", None, Course.Progressing
    NoReadyPods = "NoReadyPods", Phase.Serve, Course.Progressing

    # Told by the server: the artifact on its way into a pod.
    UnknownScheme = (
        "UnknownScheme",
        Phase.Resolve,
        Course.Stalled,
        "Give spec.model.uri a scheme that this version serves: file, pvc, http, https, s3, gs or az.",
    )
    ModelNotFound = (
        "ModelNotFound",
        Phase.Resolve,
        Course.Stalled,
        "Check spec.model.uri, or put the model there; it is looked for again as the pod restarts.",
    )
    EmptyArtifact = (
        "EmptyArtifact",
        Phase.Fetch,
        Course.Stalled,
        "Check spec.model.uri: the file or folder holds no bytes. A folder's URI ends in /.",
    )
    AccessDenied = (
        "AccessDenied",
        Phase.Fetch,
        Course.Stalled,
        "Check the keys in the Secret of spec.model.credentials, or what spec.serviceAccountName may do at the store.",
    )
    StoreUnavailable = (
        "StoreUnavailable",
        Phase.Fetch,
        Course.Waiting,
        f"It is tried again. If it lasts, check that pods reach the store. {_FETCH_LOGS}",
    )
    DigestMismatch = (
        "DigestMismatch",
        Phase.Verify,
        Course.Stalled,
        "Set spec.model.digest to the digest of the artifact you mean, or put the pinned artifact back.",
    )
    TooLarge = "TooLarge", Phase.Fetch, Course.Stalled, "Raise spec.storage.sizeLimit, or serve a smaller artifact."
    UnknownFormat = (
        "UnknownFormat",
        Phase.Verify,
        Course.Stalled,
        "Set spec.model.format to sklearn, keras or tensorflow, or check that spec.model.uri names a model.",
    )
    CorruptArtifact = (
        "CorruptArtifact",
        Phase.Load,
        Course.Stalled,
        "Save the model again and upload it whole; the file cannot be read as the format it claims.",
    )
    VersionMismatch = (
        "VersionMismatch",
        Phase.Load,
        Course.Stalled,
        "Save the model with a library version that the image serves, or set spec.runtime.image to one that fits.",
    )
    UnsafeArtifact = (
        "UnsafeArtifact",
        Phase.Load,
        Course.Stalled,
        "The platform's policy refuses this artifact; save it in a format that runs no code when it is loaded.",
    )
    LoadFailed = "LoadFailed", Phase.Load, Course.Stalled, _LOGS
    WarmupFailed = "WarmupFailed", Phase.Warmup, Course.Stalled, f"The model loads but does not predict. {_LOGS}"
    InvalidSettings = (
        "InvalidSettings",
        Phase.Resolve,
        Course.Stalled,
        f"A setting of the server cannot be read; check spec.runtime. {_LOGS}",
    )
    ArtifactChanged = (
        "ArtifactChanged",
        Phase.Verify,
        Course.Stalled,
        "Other bytes now stand behind spec.model.uri: pin spec.model.digest to the ones you mean, or use a new URI.",
    )

    # Told by Kubernetes: a pod on its way to running.
    ImagePullFailed = (
        "ImagePullFailed",
        Phase.Schedule,
        Course.Waiting,
        f"Check the image's name and spec.podTemplate.spec.imagePullSecrets. {_DESCRIBE_POD}",
    )
    Unschedulable = (
        "Unschedulable",
        Phase.Schedule,
        Course.Waiting,
        f"Lower spec.resources, widen spec.podTemplate.spec.nodeSelector, or add nodes. {_DESCRIBE_POD}",
    )
    QuotaExceeded = (
        "QuotaExceeded",
        Phase.Schedule,
        Course.Waiting,
        "Raise the quota, or lower spec.resources or spec.replicas: kubectl -n {namespace} describe resourcequota",
    )
    PodRefused = (
        "PodRefused",
        Phase.Schedule,
        Course.Waiting,
        "The cluster's admission refuses the pods; the message says which rule: kubectl -n {namespace} get events",
    )
    SecretNotFound = (
        "SecretNotFound",
        Phase.Schedule,
        Course.Waiting,
        f"Create the Secret that the pod names, in namespace {{namespace}}. {_DESCRIBE_POD}",
    )
    VolumeNotMounted = (
        "VolumeNotMounted",
        Phase.Schedule,
        Course.Waiting,
        f"Check the claim or volume that the pod names. {_DESCRIBE_POD}",
    )
    CrashLoop = "CrashLoop", Phase.Serve, Course.Waiting, _LOGS
    OutOfMemory = (
        "OutOfMemory",
        Phase.Load,
        Course.Stalled,
        "Raise spec.resources.limits.memory (for container fetch: spec.storage.fetch.resources.limits.memory).",
    )
    ProgressDeadlineExceeded = (
        "ProgressDeadlineExceeded",
        None,
        Course.Stalled,
        "Mend what the message names, or raise spec.rollout.progressDeadline:"
        " kubectl -n {namespace} describe deployment {name}",
    )

    # Told by the operator: the object itself.
    InvalidSpec = (
        "InvalidSpec",
        None,
        Course.Stalled,
        "Mend the field that the message names: kubectl -n {namespace} edit modeldeployment {name}",
    )
    InvalidPodTemplate = (
        "InvalidPodTemplate",
        None,
        Course.Stalled,
        "Mend the field of spec.podTemplate that the message names; kubectl explain pod.spec shows what there is.",
    )
    InvalidAutoscaling = (
        "InvalidAutoscaling",
        None,
        Course.Stalled,
        "Mend the field of spec.autoscaling that the message names; kubectl explain hpa.spec (scaledobject.spec for"
        " engine KEDA) shows what there is.",
    )
    KedaNotInstalled = (
        "KedaNotInstalled",
        None,
        Course.Waiting,
        "Install KEDA, which is noticed within five minutes, or set spec.autoscaling.engine to HPA.",
    )
    KedaNotResponding = (
        "KedaNotResponding",
        None,
        Course.Waiting,
        "Start KEDA again. If it was removed for good, do its work: kubectl -n {namespace} patch scaledobject {name}"
        ' --type=merge -p \'{{"metadata":{{"finalizers":null}}}}\' && kubectl -n {namespace} delete hpa'
        " --ignore-not-found keda-hpa-{name}",
    )
    NameConflict = (
        "NameConflict",
        None,
        Course.Stalled,
        "An object of this name belongs to somebody else and is left alone: rename it, or this ModelDeployment.",
    )
    ApplyRefused = (
        "ApplyRefused",
        None,
        Course.Waiting,
        "The API server refuses a change by the operator; check its rights and the cluster's policies.",
    )


HINT_FACTS = ("namespace", "name", "pod")
"""The facts that a hint may name in braces."""
