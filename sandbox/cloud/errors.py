"""What goes wrong in a simulated cloud, in the words of the real one."""

from __future__ import annotations


class CloudError(Exception):
    """An API error: an HTTP status, a reason as Google names it, and a message."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(f"googleapi: Error {status}: {message}" + (f", {reason}" if reason else ""))
        self.status = status
        self.reason = reason


class ProviderError(Exception):
    """A refusal by the provider itself, before any call to the API."""


class NotSimulatedError(ProviderError):
    """The program asks for something the sandbox has no model of; passing it would hide a mistake."""
