"""Serves one model over the Open Inference Protocol: what runs in a model pod."""

from modelmoor_server.compiled import install

is_compiled: bool = install()
"""Whether a request's way is what mypyc has compiled."""
