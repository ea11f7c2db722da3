"""Moments as Leases, Events, annotations and log lines write them: in UTC, to the microsecond."""

from datetime import datetime


def micro(moment: datetime) -> str:
    """Write a moment, which must be in UTC, as Kubernetes writes a MicroTime: `2025-11-21T17:37:26.012345Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
