"""Services by role: which vendor recognises, answers and speaks is a matter of settings."""

from app.services.roles import ConfiguredServices, Roles

__all__ = ["ConfiguredServices", "Roles"]
