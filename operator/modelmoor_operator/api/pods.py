"""Fields of `spec` that go into the pods nearly as they are: environment, resources, labels, any other pod field."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from modelmoor_operator.api.rules import ENV_RULES, POD_METADATA_RULES, RESOURCE_RULES, VALUE_FROM_RULES
from modelmoor_operator.api.types import FREE_FORM, OBJECT_NAME, Quantity, Wire

LabelValue = Annotated[str, StringConstraints(max_length=63)]
AnnotationValue = Annotated[str, StringConstraints(max_length=4096)]

_MOST_RESOURCES = 7
"""Kubernetes 1.30 reckons that the rule below costs too much from 8 on, and refuses the whole definition."""


class SecretKeyRef(Wire):
    """A key of a Secret."""

    name: str = Field(max_length=253, pattern=OBJECT_NAME, description="Name of the Secret.")
    key: str = Field(min_length=1, max_length=253, description="Key in the Secret.")
    optional: bool | None = Field(default=None, description="Whether the pod starts without it. The default is false.")


class ConfigMapKeyRef(Wire):
    """A key of a ConfigMap."""

    name: str = Field(max_length=253, pattern=OBJECT_NAME, description="Name of the ConfigMap.")
    key: str = Field(min_length=1, max_length=253, description="Key in the ConfigMap.")
    optional: bool | None = Field(default=None, description="Whether the pod starts without it. The default is false.")


class FieldRef(Wire):
    """A field of the pod."""

    field_path: str = Field(min_length=1, max_length=253, description="Path of the field, such as metadata.name.")


class ValueFrom(Wire):
    """Where an environment variable's value comes from; exactly one of the three."""

    model_config = ConfigDict(json_schema_extra=VALUE_FROM_RULES)

    secret_key_ref: SecretKeyRef | None = Field(
        default=None, description="Takes the value from a key of a Secret of the same namespace."
    )
    config_map_key_ref: ConfigMapKeyRef | None = Field(
        default=None, description="Takes the value from a key of a ConfigMap of the same namespace."
    )
    field_ref: FieldRef | None = Field(default=None, description="Takes the value from a field of the pod.")


class EnvVar(Wire):
    """An environment variable of container `model`."""

    model_config = ConfigDict(json_schema_extra=ENV_RULES)

    name: str = Field(
        min_length=1,
        max_length=253,
        pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$",
        description="Name of the variable. Names that start with MODELMOOR_ are refused.",
    )
    value: str | None = Field(default=None, max_length=32768, description="Value of the variable, as it is.")
    value_from: ValueFrom | None = Field(default=None, description="Where the value comes from, instead of value.")


class Resources(Wire):
    """What a container asks of its node."""

    model_config = ConfigDict(json_schema_extra=RESOURCE_RULES)

    requests: dict[str, Quantity] = Field(
        default_factory=dict,
        max_length=_MOST_RESOURCES,
        description="What is set aside on the node, such as cpu: 500m, memory: 1Gi.",
    )
    limits: dict[str, Quantity] = Field(
        default_factory=dict, max_length=_MOST_RESOURCES, description="What is never exceeded, such as memory: 2Gi."
    )


class PodMetadata(Wire):
    """Labels and annotations of the pods."""

    model_config = ConfigDict(json_schema_extra=POD_METADATA_RULES)

    labels: dict[str, LabelValue] = Field(
        default_factory=dict, max_length=32, description="Labels added to each pod. modelmoor.dev/ ones are refused."
    )
    annotations: dict[str, AnnotationValue] = Field(
        default_factory=dict,
        max_length=32,
        description="Annotations added to each pod. modelmoor.dev/ ones are refused.",
    )


class PodTemplate(Wire):
    """Any other field of the pods."""

    metadata: PodMetadata | None = Field(default=None, description="Labels and annotations added to each pod.")
    spec: dict[str, Any] = Field(
        default_factory=dict,
        json_schema_extra=FREE_FORM,
        description="Fields of a PodSpec (nodeSelector, tolerations, imagePullSecrets, volumes and so on), merged into"
        " the pods as kubectl apply merges. Of container model only env, envFrom, volumeMounts, securityContext and"
        " lifecycle may be given.",
    )
