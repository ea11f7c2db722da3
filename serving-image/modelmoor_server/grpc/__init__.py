"""The gRPC port: Open Inference Protocol v2, TensorFlow Serving, health and reflection, over the one inference.py.

messages.py    the protocols' messages, from a descriptor pool of our own
wire.py        protobuf's wire format where its library would take too long or too much memory
v2_tensors.py tfs_tensors.py  tensors of the two protocols <-> arrays
v2.py tfs.py   the two protocols: messages in, messages out
health.py reflection.py       the two services of gRPC itself
calls.py       one prediction on its way: counted, timed, answered; which error is which status
streams.py     the requests of a stream
services.py    what is served: a method's path -> bytes in, bytes out
port.py        what a transport is
http2.py http2_connection.py http2_calls.py   the native one, over libnghttp2
transport.py strangers.py   grpcio, where the native one cannot be had; nothing else here knows it
door.py        chooses one, and opens the port

Nothing of this is imported where the port is off, nor before liveness answers: inference.py brings numpy.
"""
