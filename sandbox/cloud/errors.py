"""What goes wrong in a simulated cloud, in the words of the real one."""

from __future__ import annotations


class CloudError(Exception):
    """An API error: an HTTP status, a reason as Google names it, and a message."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(f"googleapi: Error {status}: {message}" + (f", {reason}" if reason else ""))
        self.status = status
        self.reason = reason


class AwsError(CloudError):
    """An answer of an AWS API: an HTTP status, the error's code, and a message."""

    def __init__(self, status: int, message: str, code: str) -> None:
        Exception.__init__(self, f"https response error StatusCode: {status}, api error {code}: {message}")
        self.status = status
        self.reason = code


class VercelError(CloudError):
    """An answer of Vercel's API as its provider prints it: a code and a message, no status."""

    def __init__(self, status: int, message: str, code: str) -> None:
        Exception.__init__(self, f"{code} - {message}")
        self.status = status
        self.reason = code


def refusal(token: str, status: int, message: str, reason: str) -> CloudError:
    """A cloud's answer in the words of the cloud that a type belongs to."""
    kinds: dict[str, type[CloudError]] = {"aws": AwsError, "vercel": VercelError}
    return kinds.get(token.partition(":")[0], CloudError)(status, message, reason)


class ProviderError(Exception):
    """A refusal by the provider itself, before any call to the API."""


class NotSimulatedError(ProviderError):
    """The program asks for something the sandbox has no model of; passing it would hide a mistake."""
