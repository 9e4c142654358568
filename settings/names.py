"""Every cloud name that follows from configuration, in one place, so that limits and collisions can be checked.

All of them are deterministic: after a crash a name finds its resource again, and an engineer can say it by heart.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass


def bucket(organization: str, environment: str, role: str) -> str:
    """A bucket of the environment: globally unique through the organization, at most 63 characters."""
    return f"{organization}-{environment}-{role}"


def pool_instance(organization: str, environment: str, pool: str, generation: int) -> str:
    """A shared SQL instance. The generation is part of the name: Cloud SQL reserves a deleted name for a week."""
    return f"{organization}-{environment}-pool-{pool}-{generation}"


def tenant_instance(organization: str, environment: str, tenant: str, generation: int) -> str:
    """A dedicated SQL instance: at most 12 + 7 + 30 + 8 characters, within the 98 of `project:instance`."""
    return f"{organization}-{environment}-t-{tenant}-{generation}"


def slug(key: str) -> str:
    """A secret's name as part of a cloud name: JWT_SECRET becomes jwt-secret."""
    return key.lower().replace("_", "-")


def app_secret(key: str) -> str:
    """The cloud's name of an application secret."""
    return f"app-{slug(key)}"


def instance_object(key: str) -> str:
    """The registry's object of a SQL instance."""
    return f"instances/{key}.json"


@dataclass(frozen=True)
class TenantNames:
    """The names derived from a tenant's id alone."""

    tenant: str

    @property
    def _identifier(self) -> str:
        # ids hold no underscore, so this mapping is one to one
        return f"tn_{self.tenant.replace('-', '_')}"

    @property
    def database(self) -> str:
        return self._identifier

    @property
    def owner_role(self) -> str:
        return f"{self._identifier}_owner"

    @property
    def logins(self) -> tuple[str, str]:
        return f"{self._identifier}_a", f"{self._identifier}_b"

    def active_login(self, rotation: int) -> str:
        """Odd rotations use the first login, even ones the second: the other keeps working until the next."""
        return self.logins[(rotation - 1) % 2]

    @property
    def credential_secret(self) -> str:
        return f"tenant-{self.tenant}-credential"

    @property
    def url_secret(self) -> str:
        return f"tenant-{self.tenant}-database-url"

    @property
    def backup_url_secret(self) -> str:
        return f"tenant-{self.tenant}-backup-url"

    @property
    def external_dsn(self) -> str:
        """Name of the external secret with the URL of a guest database."""
        return f"{self.tenant.upper().replace('-', '_')}_DATABASE_URL"

    @property
    def external_backup_dsn(self) -> str:
        return f"{self.tenant.upper().replace('-', '_')}_BACKUP_DATABASE_URL"

    @property
    def firestore_database(self) -> str:
        """4 to 63 lower-case letters, digits and hyphens, which the tenant's id is, after the prefix."""
        return f"tn-{self.tenant}"

    @property
    def service_account(self) -> str:
        """Account id of a Firestore tenant's own identity: 6 to 30 characters, so the id has 3 to 27."""
        return f"tn-{self.tenant}"

    @property
    def registry_object(self) -> str:
        return f"tenants/{self.tenant}.json"

    @property
    def status_object(self) -> str:
        return f"status/{self.tenant}.json"

    def final_export_objects(self) -> Iterator[str]:
        """Names of the markers of final exports, in the order in which the offboardings of this id take them."""
        yield f"final/{self.tenant}.json"
        for number in itertools.count(2):
            yield f"final/{self.tenant}.{number}.json"  # ids hold no dot, so no other tenant's

    def all(self) -> tuple[str, ...]:
        """Everything that must be unique across tenants (checked in `resolve`)."""
        return (
            self.database,
            self.owner_role,
            *self.logins,
            self.credential_secret,
            self.url_secret,
            self.registry_object,
        )
