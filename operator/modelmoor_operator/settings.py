"""How this operator was installed: the file that the Helm chart renders, as types."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

DEFAULT_SERVING_IMAGE = "modelmoor/serving:0.1.0"


class SettingsError(ValueError):
    """The settings file cannot be used; the message names the key and what is wanted."""


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Defaults(_Part):
    """What the platform gives a model that does not say for itself."""

    resources: dict[str, Any] = Field(
        default_factory=dict, description="Resources of container `model` where the ModelDeployment names none."
    )
    fetch_resources: dict[str, Any] = Field(
        default_factory=lambda: {"requests": {"cpu": "50m", "memory": "64Mi"}},
        description="Resources of container `fetch` where the ModelDeployment names none.",
    )
    pod_template: dict[str, Any] = Field(
        default_factory=dict, description="A pod template merged below every ModelDeployment's own `podTemplate`."
    )


class NetworkPolicies(_Part):
    """Who may reach models; peers are those of a NetworkPolicy."""

    enabled: bool = Field(default=False, description="Whether models that name no callers get a NetworkPolicy, too.")
    from_: tuple[dict[str, Any], ...] = Field(
        default=({"podSelector": {}},), alias="from", description="Callers of a model that names none."
    )
    always_from: tuple[dict[str, Any], ...] = Field(
        default=({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}},),
        description="Let in to every model that has a NetworkPolicy: Prometheus, for one.",
    )


class Monitoring(_Part):
    """What the Prometheus operator is given for each model."""

    enabled: bool = Field(default=False, description="Whether models that do not say otherwise are monitored.")
    labels: dict[str, str] = Field(
        default_factory=dict, description="Labels by which your Prometheus picks ServiceMonitors and PrometheusRules."
    )
    interval: str = Field(default="30s", pattern=r"^[0-9]+(ms|s|m|h)$", description="Time between two scrapes.")


class Settings(_Part):
    """The operator's settings. Every key has a default, so an empty file works."""

    serving_image: str = Field(default=DEFAULT_SERVING_IMAGE, min_length=1, description="Image of model pods.")
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    watch_namespaces: tuple[str, ...] = Field(default=(), description="Namespaces to serve; empty means all of them.")
    defaults: Defaults = Defaults()
    network_policy: NetworkPolicies = NetworkPolicies()
    monitoring: Monitoring = Monitoring()
    pickle: Literal["Allow", "AllowListed", "Deny"] = "Allow"
    legacy_keras: Literal["Allow", "Deny"] = "Allow"
    version_mismatch: Literal["Refuse", "Warn"] = "Refuse"
    workers: int = Field(default=8, ge=1, le=64, description="Objects that are reconciled at the same time.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    api_qps: int = Field(default=200, alias="apiQPS", ge=1, le=10_000, description="Writes a second to the API server.")
    api_burst: int = Field(default=400, ge=1, le=20_000, description="Writes that may come at once.")
    resync_seconds: float = Field(default=300, ge=1, description="Seconds between two comparisons with the API server.")


def load(path: Path | None) -> Settings:
    """Read the settings file; without one the defaults hold. Raises `SettingsError`."""
    if path is None:
        return Settings()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML") from error
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'the file'}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False, include_context=False)
        )
        raise SettingsError(f"{path}: {problems}") from error
