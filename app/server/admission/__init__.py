"""How many sessions there may be, and what becomes of callers beyond that."""

from app.server.admission.returning import Returning
from app.server.admission.slots import Slot, SlotLimits, Slots
from app.server.admission.waiting import wait_for_slot, wants_to_wait
from app.server.admission.waiting_room import Place, WaitingRoom

__all__ = [
    "Place",
    "Returning",
    "Slot",
    "SlotLimits",
    "Slots",
    "WaitingRoom",
    "wait_for_slot",
    "wants_to_wait",
]
