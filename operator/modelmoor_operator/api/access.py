"""Field `spec.access`: who may reach the model over the network, as peers of a NetworkPolicy."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from modelmoor_operator.api.rules import EXPRESSION_RULES, PEER_RULES
from modelmoor_operator.api.types import Wire

Cidr = Annotated[
    str,
    StringConstraints(max_length=43, pattern=r"^[0-9a-fA-F.:]{2,39}/[0-9]{1,3}$"),
    Field(description="A range of addresses, such as 10.9.0.0/16."),
]
Value = Annotated[
    str,
    StringConstraints(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"),
    Field(description="A value of the label."),
]


class LabelExpression(Wire):
    """One demand on a label."""

    model_config = ConfigDict(json_schema_extra=EXPRESSION_RULES)

    key: str = Field(
        min_length=1,
        max_length=317,
        pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        description="Key of the label.",
    )
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="In, NotIn, Exists or DoesNotExist.")
    values: tuple[Value, ...] = Field(default=(), max_length=16, description="Values for In and NotIn.")


class LabelSelector(Wire):
    """What picks pods or namespaces by their labels; an empty one picks all."""

    match_labels: dict[str, Value] = Field(
        default_factory=dict, max_length=16, description="Labels that must all be there."
    )
    match_expressions: tuple[LabelExpression, ...] = Field(
        default=(), max_length=8, description="Demands that must all hold."
    )


class IPBlock(Wire):
    """A range of addresses."""

    cidr: Cidr = Field(description="The range, such as 10.0.0.0/8.")
    except_: tuple[Cidr, ...] = Field(
        default=(), alias="except", max_length=16, description="Ranges inside cidr that are not let in."
    )


class Peer(Wire):
    """Some callers, as a NetworkPolicy names them."""

    model_config = ConfigDict(json_schema_extra=PEER_RULES)

    pod_selector: LabelSelector | None = Field(
        default=None, description="Pods, of this namespace or of the ones that namespaceSelector picks."
    )
    namespace_selector: LabelSelector | None = Field(
        default=None, description="Namespaces; all of their pods where podSelector is absent."
    )
    ip_block: IPBlock | None = Field(default=None, description="Addresses, for callers from outside the cluster.")


class Access(Wire):
    """Who may call the model."""

    from_: tuple[Peer, ...] | None = Field(
        default=None,
        alias="from",
        max_length=16,
        description="Callers that a NetworkPolicy lets in to the model's port, at most 16, as in"
        " NetworkPolicy.spec.ingress.from; with them named, all others are kept out, except the router, what the"
        " platform lets in everywhere (Prometheus), and the kubelet's probes. An empty list lets in nobody else."
        " The platform's default where absent: without one there is no NetworkPolicy, and every pod may call."
        " It takes a network that enforces NetworkPolicy.",
    )
