"""Who may wait for a model: asked when a request would be queued, and again when it is taken from the queue."""

from typing import Protocol

from modelmoor_server.errors import Overloaded, RequestError


class Admission(Protocol):
    """A policy for one model's queue. Each method answers None to go on, or the refusal that the caller gets."""

    def admit(self, waiting: int) -> RequestError | None:
        """On the event loop, before a request is decoded and queued behind `waiting` others."""
        ...

    def taken(self, waited: float) -> RequestError | None:
        """On the model's thread, as a request leaves the queue after `waited` seconds; once a request."""
        ...


class QueueLimit:
    """At most `limit` requests wait."""

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def admit(self, waiting: int) -> RequestError | None:
        if waiting < self._limit:
            return None
        return Overloaded(f"{self._limit} requests wait for this model already: come back in a moment.")

    def taken(self, waited: float) -> RequestError | None:
        return None
