"""What an environment offers to the tenants and schedules in it: the contract between `Environment` and the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_gcp as gcp

Workload = Literal["gateway", "worker", "migrator", "backup", "sqljob", "watch", "scheduler", "web"]
BucketRole = Literal["uploads", "exports", "audit", "assets", "registry"]
KeyUse = Literal["sql", "storage", "secrets", "logs", "firestore", "queues"]


@dataclass(frozen=True, kw_only=True)
class Account:
    """A workload's service account; both texts are literals, so that grants can be judged in a preview."""

    resource: gcp.serviceaccount.Account
    email: str

    @property
    def member(self) -> str:
        return f"serviceAccount:{self.email}"

    @property
    def database_user(self) -> str:
        """PostgreSQL user name of IAM authentication: the address without its last suffix."""
        return self.email.removesuffix(".gserviceaccount.com")


@dataclass(frozen=True, kw_only=True)
class Platform:
    """The environment on Google Cloud."""

    apis: Mapping[str, gcp.projects.Service]
    """Enabled services by name, e.g. `sqladmin.googleapis.com`: what uses one depends on it."""
    accounts: Mapping[Workload, Account]
    keys: Mapping[tuple[KeyUse, str], gcp.kms.CryptoKey]
    """Keys by use and region."""
    key_grants: Mapping[tuple[KeyUse, str], pulumi.Resource]
    """The service agent's grant on each key: a store depends on it, or its first creation fails."""
    network: gcp.compute.Network
    subnetwork: gcp.compute.Subnetwork
    services_connection: gcp.servicenetworking.Connection
    buckets: Mapping[BucketRole, gcp.storage.Bucket]
    """Shared buckets by role."""

    @property
    def application(self) -> tuple[Account, ...]:
        """Who works on tenants' data for the application: gateway, worker and, where there is one, the web application.

        The last runs outside of the network, so what only a private address answers is none of its business.
        """
        accounts = (self.accounts.get(workload) for workload in ("gateway", "worker", "web"))
        return tuple(account for account in accounts if account is not None)

    def ready(self, *services: str) -> Sequence[pulumi.Resource]:
        """The API resources to depend on."""
        return [self.apis[service] for service in services]
