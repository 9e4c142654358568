"""A short way to make things in a simulated project, as a checked `up` would."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from sandbox.cloud import Cloud
from sandbox.cloud.cloud import Target
from sandbox.cloud.provider import ProviderConfig, project_number

if TYPE_CHECKING:
    from sandbox.cloud.values import Value

PROJECT = "fin-dev"
REGION = "europe-west1"
NUMBER = project_number(PROJECT)
KEY = f"projects/{PROJECT}/locations/{REGION}/keyRings/ring/cryptoKeys/sql"
NETWORK = f"projects/{PROJECT}/global/networks/vpc"
SQL_AGENT = f"service-{NUMBER}@gcp-sa-cloud-sql.iam.gserviceaccount.com"
STORAGE_AGENT = f"service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com"
INSTANCE_TYPE = "gcp:sql/databaseInstance:DatabaseInstance"
BUCKET_TYPE = "gcp:storage/bucket:Bucket"
OBJECT_TYPE = "gcp:storage/bucketObject:BucketObject"


class Google:
    def __init__(self) -> None:
        self.cloud = Cloud.in_memory()
        self.config = ProviderConfig(project=PROJECT, region=REGION, default_labels={"env": "dev"})

    def checked(self, token: str, label: str = "it", /, **inputs: Value) -> dict[str, Any]:
        found, failures = self.cloud.check(target(token, label), inputs)
        assert failures == []
        return found

    def make(self, token: str, label: str = "it", /, **inputs: Value) -> tuple[str, dict[str, Any]]:
        return self.cloud.create(target(token, label), self.checked(token, label, **inputs), self.config)

    def change(self, token: str, object_id: str, state: dict[str, Any], /, **inputs: Value) -> dict[str, Any]:
        return self.cloud.update(
            target(token, "it"), object_id, self.checked(token, "it", **inputs), state, self.config
        )

    def drop(self, token: str, object_id: str, state: dict[str, Any]) -> None:
        self.cloud.delete(target(token, "it"), object_id, state, self.config)

    def read(self, token: str, object_id: str, state: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        found = self.cloud.read(target(token, "it"), object_id, state or {}, self.config)
        assert found is not None
        return found

    def is_gone(self, token: str, object_id: str, state: dict[str, Any] | None = None) -> bool:
        return self.cloud.read(target(token, "it"), object_id, state or {}, self.config) is None

    def ids(self, token: str) -> list[str]:
        return [item.id for item in self.cloud.objects(token)]

    def later(self, **duration: float) -> None:
        self.cloud.clock.advance(dt.timedelta(**duration))

    # what most things stand on

    def apis(self, *names: str) -> None:
        for name in names:
            self.make("gcp:projects/service:Service", name, service=f"{name}.googleapis.com")

    def key(self, location: str = REGION, name: str = "sql") -> str:
        ring = f"projects/{PROJECT}/locations/{location}/keyRings/ring"
        if ring not in self.ids("gcp:kms/keyRing:KeyRing"):
            self.make("gcp:kms/keyRing:KeyRing", location, name="ring", location=location)
        return self.make("gcp:kms/cryptoKey:CryptoKey", f"{location}-{name}", name=name, keyRing=ring)[0]

    def grant(self, key: str, email: str) -> None:
        role = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
        self.make(
            "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
            f"{key}-{email}",
            cryptoKeyId=key,
            role=role,
            member=f"serviceAccount:{email}",
        )

    def private_network(self) -> None:
        self.make("gcp:compute/network:Network", "vpc", name="vpc", autoCreateSubnetworks=False)
        self.make(
            "gcp:compute/globalAddress:GlobalAddress",
            "range",
            name="psa",
            purpose="VPC_PEERING",
            addressType="INTERNAL",
            prefixLength=16,
            network=NETWORK,
        )
        self.make(
            "gcp:servicenetworking/connection:Connection",
            "connection",
            network=NETWORK,
            service="servicenetworking.googleapis.com",
            reservedPeeringRanges=["psa"],
        )

    def ready_for_sql(self) -> None:
        self.apis("cloudkms", "sqladmin", "compute", "servicenetworking")
        self.private_network()
        self.key()
        self.make("gcp:projects/serviceIdentity:ServiceIdentity", "sql", service="sqladmin.googleapis.com")
        self.grant(KEY, SQL_AGENT)


def target(token: str, name: str) -> Target:
    return Target(token, name, f"urn:pulumi:dev::tenantry::{token}::{name}")


def instance(**more: Value) -> dict[str, Any]:
    """Inputs of a private, encrypted, unprotected instance."""
    settings = {
        "tier": "db-custom-2-7680",
        "edition": "ENTERPRISE",
        "ipConfiguration": {"ipv4Enabled": False, "privateNetwork": NETWORK},
        **more.pop("settings", {}),
    }
    return {
        "name": "main",
        "databaseVersion": "POSTGRES_17",
        "region": REGION,
        "encryptionKeyName": KEY,
        "deletionProtection": False,
        **more,
        "settings": settings,
    }
