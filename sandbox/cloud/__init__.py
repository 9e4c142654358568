"""Simulated clouds: tables and a store that behave where behaviour matters. What is not simulated is an error."""

from sandbox.cloud.cloud import Cloud
from sandbox.cloud.errors import CloudError, NotSimulatedError, ProviderError
from sandbox.cloud.faults import FaultRule
from sandbox.cloud.store import CloudObject, Operation, Store

__all__ = [
    "Cloud",
    "CloudError",
    "CloudObject",
    "FaultRule",
    "NotSimulatedError",
    "Operation",
    "ProviderError",
    "Store",
]
