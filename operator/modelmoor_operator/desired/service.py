"""The Services of a model: the stable address, and a headless twin for clients that balance by themselves."""

from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired import names
from modelmoor_operator.desired.names import GRPC_PORT, GRPC_PORT_NAME, HTTP_PORT, PORT_NAME, SERVICE_PORT, Body


def service(md: ModelDeployment) -> Body:
    """The address that clients know: it stays through every update."""
    return _service(md, md.metadata.name, SERVICE_PORT, headless=False)


def headless_service(md: ModelDeployment) -> Body:
    """Resolves to the pods themselves, so its port is the pods' own."""
    return _service(md, names.headless_name(md), HTTP_PORT, headless=True)


def _service(md: ModelDeployment, name: str, port: int, *, headless: bool) -> Body:
    spec: Body = {
        "selector": names.selector(md),
        "ports": [
            {"name": PORT_NAME, "port": port, "targetPort": PORT_NAME, "protocol": "TCP"},
            {
                "name": GRPC_PORT_NAME,
                "port": GRPC_PORT,
                "targetPort": GRPC_PORT_NAME,
                "protocol": "TCP",
                "appProtocol": "kubernetes.io/h2c",
            },
        ],
        "ipFamilyPolicy": "PreferDualStack",
    }
    metadata = names.metadata(md, name)
    if headless:
        spec["clusterIP"] = "None"
        metadata["labels"] |= {names.TWIN_LABEL: "headless"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
