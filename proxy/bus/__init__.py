"""The buses that tasks of one session share."""

from proxy.bus.direct import BusOverflowError, DirectBus

__all__ = ["BusOverflowError", "DirectBus"]
