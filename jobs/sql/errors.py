"""What can go wrong, told apart by what the job does about it."""


class JobError(Exception):
    """One tenant, instance or setting cannot be served; the message names the place, the value and the fix."""


class IsolationError(JobError):
    """A fact that isolation rests on is false: whatever was proved before no longer holds."""


class ConnectError(JobError):
    """The server could not be reached, after the bounded retries."""


class RejectedError(JobError):
    """The server answered and refused the session; `reason` is one of the keys of `postgres.REJECTIONS`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
