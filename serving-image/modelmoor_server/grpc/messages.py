"""The messages of every protocol of the port, from a descriptor pool of our own.

Private because files go by name in the common pool: TensorFlow's tensor.proto registered there by us would keep
`import tensorflow` from working in this process, and `inference` is registered by more than one client library.
"""

from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from modelmoor_server.errors import InvalidRequest


def _pool() -> descriptor_pool.DescriptorPool:
    data = resources.files(__package__).joinpath("descriptors.binpb").read_bytes()
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:  # a file stands behind those that it imports
        pool.Add(file)
    return pool


POOL = _pool()


def message_class(name: str) -> Any:
    """The class of a message by its full name."""
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(name))


def parsed(cls: Any, data: bytes) -> Any:
    """A message from its bytes. Raises InvalidRequest, whose sentence tells nothing of their content."""
    try:
        return cls.FromString(data)
    except message.DecodeError:
        raise InvalidRequest(f"The message is no {cls.DESCRIPTOR.name}.") from None
