"""The resource providers of the simulated clouds, as gRPC servers in this process."""

from sandbox.providers.server import serve

__all__ = ["serve"]
