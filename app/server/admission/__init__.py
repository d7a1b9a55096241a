"""How many sessions there may be, and what becomes of callers beyond that."""

from app.server.admission.slots import Slot, SlotLimits, Slots

__all__ = ["Slot", "SlotLimits", "Slots"]
