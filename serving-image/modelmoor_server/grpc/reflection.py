"""`grpc.reflection.v1.ServerReflection` and its older name `v1alpha`, whose messages are the same on the wire."""

from collections.abc import AsyncIterator, Collection
from typing import Any

from google.protobuf.descriptor import FileDescriptor

from modelmoor_server.grpc.calls import Caller, Status
from modelmoor_server.grpc.messages import POOL, message_class, parsed
from modelmoor_server.grpc.streams import until

_Request = message_class("grpc.reflection.v1.ServerReflectionRequest")
_Response = message_class("grpc.reflection.v1.ServerReflectionResponse")


class Reflection:
    """services: the full names of what is served."""

    def __init__(self, services: Collection[str]) -> None:
        self._services = sorted(services)

    async def info(self, requests: AsyncIterator[bytes], caller: Caller) -> AsyncIterator[bytes]:
        """An answer to each request, in their order."""
        async for request in until(requests, caller.closing):
            asked = parsed(_Request, request)
            try:
                told = self._told(asked, asked.WhichOneof("message_request"))
            except KeyError:
                told = {"error_response": {"error_code": Status.NOT_FOUND, "error_message": "Not known here."}}
            data: bytes = _Response(valid_host=asked.host, original_request=asked, **told).SerializeToString()
            yield data

    def _told(self, asked: Any, kind: str | None) -> dict[str, Any]:
        """Raises KeyError where the name is not known."""
        if kind == "list_services":
            return {"list_services_response": {"service": [{"name": name} for name in self._services]}}
        if kind == "file_by_filename":
            return _files(POOL.FindFileByName(asked.file_by_filename))
        if kind == "file_containing_symbol":
            return _files(_containing(asked.file_containing_symbol))
        if kind == "all_extension_numbers_of_type":
            name = asked.all_extension_numbers_of_type
            POOL.FindMessageTypeByName(name)
            return {"all_extension_numbers_response": {"base_type_name": name}}  # proto3: there are no extensions
        if kind == "file_containing_extension":
            raise KeyError(kind)
        sentence = "The request asks for nothing."
        return {"error_response": {"error_code": Status.INVALID_ARGUMENT, "error_message": sentence}}


def _containing(symbol: str) -> FileDescriptor:
    """The file of a type, a service or a method."""
    try:
        return POOL.FindFileContainingSymbol(symbol)
    except KeyError:
        service, _, method = symbol.rpartition(".")
        return POOL.FindServiceByName(service).methods_by_name[method].containing_service.file


def _files(first: FileDescriptor) -> dict[str, Any]:
    """A file and all that it imports."""
    found: dict[str, bytes] = {}
    waiting = [first]
    while waiting:
        file = waiting.pop()
        if file.name not in found:
            found[file.name] = file.serialized_pb
            waiting += file.dependencies
    return {"file_descriptor_response": {"file_descriptor_proto": list(found.values())}}
