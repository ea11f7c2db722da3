"""What goes wrong in practice, one ModelDeployment each, with what the status has to say of it."""

from dataclasses import dataclass, field

from support.artifacts import answering, of_foreign_code, of_scikit_learn
from support.manifests import Object
from support.namespace import SMALL, deployment
from support.store import Store, digest

GOOD = answering(1.0)
ARTIFACTS = {
    "good.joblib": GOOD,
    "cut.joblib": GOOD[:300],
    "old.joblib": of_scikit_learn("1.2.2"),
    "foreign.joblib": of_foreign_code(),
    "notes.txt": b"This is no model.\n",
}
WRONG_SECRET = "wrong-keys"
HOLLOW = {
    "volumes": [{"name": "hollow", "emptyDir": {}}],
    "containers": [{"name": "model", "volumeMounts": [{"name": "hollow", "mountPath": "/hollow"}]}],
}
NOBODYS_DIGEST = "sha256:" + "0" * 64


@dataclass(frozen=True)
class Failure:
    """One way to fail. `says` must stand in the message, `hint` in the next step."""

    name: str
    reason: str
    says: str
    hint: str
    uri: str = "s3://models/failures/good.joblib"
    spec: Object = field(default_factory=dict)
    phase: str = ""
    by_pod: bool = True

    def manifest(self) -> Object:
        return deployment(self.name, self.uri, **self.spec)


FAILURES = [
    Failure(
        "missing-file",
        "ModelNotFound",
        "nothing at s3://models/failures/missing.joblib",
        "Check the model URI",
        uri="s3://models/failures/missing.joblib",
        phase="Resolve",
    ),
    Failure(
        "empty-folder",
        "EmptyArtifact",
        "The folder file:///hollow/ is empty",
        "Upload the model",
        uri="file:///hollow/",
        spec={"podTemplate": {"spec": HOLLOW}},
    ),
    Failure(
        "wrong-credentials",
        "AccessDenied",
        "refuses these credentials",
        "Check the keys in the Secret",
        spec={"model": {"credentials": {"secretRef": {"name": WRONG_SECRET}}}},
        phase="Fetch",
    ),
    Failure(
        "missing-secret",
        "SecretNotFound",
        "forgotten",
        "Create the Secret",
        spec={"model": {"credentials": {"secretRef": {"name": "forgotten"}}}},
        phase="Schedule",
    ),
    Failure(
        "missing-claim", "VolumeNotMounted", "forgotten", "Check the claim", uri="pvc://forgotten/m", phase="Schedule"
    ),
    Failure(
        "silent-store",
        "StoreUnavailable",
        "http://nobody.invalid/model.joblib",
        "Check that the store is up",
        uri="http://nobody.invalid/model.joblib?signature=secret-query",
        phase="Fetch",
    ),
    Failure(
        "corrupt",
        "CorruptArtifact",
        "cut.joblib",
        "upload the model again",
        uri="s3://models/failures/cut.joblib",
    ),
    Failure(
        "old-library",
        "VersionMismatch",
        "scikit-learn 1.2.2",
        "Save the model with scikit-learn",
        uri="s3://models/failures/old.joblib",
    ),
    Failure(
        "foreign-code",
        "LoadFailed",
        "our_package",
        "Build the model from scikit-learn's own parts",
        uri="s3://models/failures/foreign.joblib",
        phase="Load",
    ),
    Failure("no-model", "UnknownFormat", "notes.txt", "", uri="s3://models/failures/notes.txt"),
    Failure(
        "other-digest",
        "DigestMismatch",
        digest(GOOD),
        "pin its digest",
        spec={"model": {"digest": NOBODYS_DIGEST}},
        phase="Verify",
    ),
    Failure("too-large", "TooLarge", "limit of 100 bytes", "storage.sizeLimit", spec={"storage": {"sizeLimit": 100}}),
    Failure(
        "missing-image",
        "ImagePullFailed",
        "registry.invalid/serving:1",
        "Check the image's name",
        spec={"runtime": {"image": "registry.invalid/serving:1"}},
        phase="Schedule",
    ),
    Failure(
        "too-little-memory",
        "OutOfMemory",
        "memory limit of 64Mi",
        "resources.limits.memory",
        spec={"resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}}},
        phase="Load",
    ),
    Failure(
        "too-large-for-nodes",
        "Unschedulable",
        "nsufficient cpu",
        "Lower spec.resources",
        spec={"resources": {"requests": {"cpu": "1000"}}},
        phase="Schedule",
    ),
    Failure(
        "refused-by-policy",
        "PodRefused",
        "hostNetwork",
        "admission refuses",
        spec={"podTemplate": {"spec": {"hostNetwork": True}}},
        by_pod=False,
    ),
]
"""The crash loop and the quota are made in test_failures.py: they need the cluster's own facts."""


def crash_loop(image: str) -> Failure:
    """An image that is another program: it ends at once and says nothing in our words."""
    return Failure("crashing", "CrashLoop", "exit code 2", "logs", spec={"runtime": {"image": image}})


QUOTA = Failure(
    "over-quota",
    "QuotaExceeded",
    "exceeded quota: tight",
    "Raise the quota",
    spec={"resources": SMALL},
    phase="Schedule",
    by_pod=False,
)
TIGHT_QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "tight"},
    "spec": {"hard": {"requests.cpu": "5m"}},
}


def upload(store: Store) -> None:
    """The artifacts of all failures."""
    for name, content in ARTIFACTS.items():
        store.put(f"failures/{name}", content)
