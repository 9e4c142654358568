"""What Google refuses because of something elsewhere in the project: the mistakes of a first `up` on an empty project.

Each check mirrors an answer of the real API. Objects refer to each other by the literal ids in their inputs; what is
referred to in another project is taken on trust.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from recovery.ids import fill
from sandbox.cloud import references, revisions
from sandbox.cloud.errors import CloudError, ProviderError
from sandbox.cloud.provider import ProviderConfig, defaults_for
from sandbox.cloud.rules import Parent, World
from sandbox.cloud.tables import rule_for
from sandbox.cloud.tables.gcp import (
    AGENT_ON_ENABLE,
    BUCKET,
    DELETED_TOPIC,
    ENABLED_AT_START,
    INSTANCE,
    KEY,
    NETWORK,
    SECRET,
    SERVICE_AGENTS,
    SUBSCRIPTION,
    TOPIC,
)
from sandbox.cloud.values import Props, Value, get_path, strings_in, values_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sandbox.cloud.store import CloudObject, Store

ACCOUNT: Final = "gcp:serviceaccount/account:Account"
CHANNEL: Final = "gcp:monitoring/notificationChannel:NotificationChannel"
CONNECTION: Final = "gcp:servicenetworking/connection:Connection"
SERVICE: Final = "gcp:projects/service:Service"
BUCKET_OBJECT: Final = "gcp:storage/bucketObject:BucketObject"
IDENTITY: Final = "gcp:projects/serviceIdentity:ServiceIdentity"
LOG_BUCKET: Final = "gcp:logging/projectBucketConfig:ProjectBucketConfig"
RUN_JOB: Final = "gcp:cloudrunv2/job:Job"
RUN_SERVICE: Final = "gcp:cloudrunv2/service:Service"
SINK: Final = "gcp:logging/projectSink:ProjectSink"
FIRESTORE: Final = "gcp:firestore/database:Database"
_MULTI_REGIONS: Final = {"eur3": "europe", "nam5": "us", "nam7": "us"}
"""Firestore's multi-regions, and where their keys are."""
ENCRYPTER: Final = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
_AGENT_HOSTS: Final = ("gs-project-accounts", "serverless-robot-prod", "service-networking", "compute-system")
_USER_METRIC: Final = re.compile(r"logging\.googleapis\.com/user/([\w./-]+)")
_FIRST_ENTERPRISE_PLUS: Final = 16
"""From this PostgreSQL version on, an instance without an edition is ENTERPRISE_PLUS."""


def parent_keys(parent: Parent, inputs: Props, config: ProviderConfig, project: str) -> list[str]:
    """The keys of the objects that a resource names as this parent; none for what is unset or outside the cloud."""
    found = []
    for each in values_at(inputs, parent.each) if parent.each else [None]:
        values = {**inputs, "project": project, "each": each}
        key = fill(parent.id_template, values, defaults_for(inputs, config))
        if key is not None and (not parent.pattern or re.search(parent.pattern, key)):
            found.append(key)
    return found


def _agent(world: World, api: str) -> str:
    """The agent of an API in the resource's project."""
    return f"service-{world.number}@{SERVICE_AGENTS[api]}.iam.gserviceaccount.com"


def check_create(world: World) -> None:
    """Everything outside the resource that its creation depends on.

    Raises:
        CloudError: as the API would answer.
    """
    _check_api(world)
    _check_update_too(world)
    _check_grant(world)
    check = _ON_CREATE.get(world.token)
    if check is not None:
        check(world)


def check_update(world: World, before: Props) -> None:
    _check_update_too(world)
    if world.token == BUCKET:
        _check_retention_change(world, before)
    elif world.token == LOG_BUCKET and before.get("locked"):
        kept = world.outputs.get("locked") and world.outputs.get("retentionDays") == before.get("retentionDays")
        if not kept:
            raise CloudError(400, f"Bucket {world.id} is locked: its retention cannot change", "failedPrecondition")


def _check_update_too(world: World) -> None:
    if world.rule.check is not None:
        world.rule.check(world)
    references.check(world)
    _check_encryption(world)
    _check_service_accounts(world)
    check = _ON_CREATE_AND_UPDATE.get(world.token)
    if check is not None:
        check(world)


def _check_api(world: World) -> None:
    api = world.rule.api
    if not api or not world.project or api_enabled(world.store, world.project, api):
        return
    raise CloudError(
        403,
        f"{api} has not been used in project {world.project} before or it is disabled. Enable it (a projects.Service"
        f" that this resource depends on) then retry",
        "SERVICE_DISABLED",
    )


def api_enabled(store: Store, project: str, api: str) -> bool:
    return api in ENABLED_AT_START or store.exists(SERVICE, f"{project}/{api}")


# --- encryption ------------------------------------------------------------------------------------------------------


def _encryption_uses(world: World) -> Iterator[tuple[str, str, str | None]]:
    """Key, the identity that must be able to use it, and the location that the key must have (None: any)."""
    number = world.number
    location = str(
        world.outputs.get("location") or world.outputs.get("region") or world.outputs.get("locationId") or ""
    ).lower()
    found: Mapping[str, tuple[str, str, str | None]] = {
        INSTANCE: ("encryptionKeyName", _agent(world, "sqladmin.googleapis.com"), location),
        BUCKET: ("encryption.defaultKmsKeyName", storage_agent(number), location),
        LOG_BUCKET: (
            "cmekSettings.kmsKeyName",
            logging_agent(number),
            location,
        ),
        "gcp:pubsub/topic:Topic": ("kmsKeyName", _agent(world, "pubsub.googleapis.com"), None),
        "gcp:artifactregistry/repository:Repository": (
            "kmsKeyName",
            _agent(world, "artifactregistry.googleapis.com"),
            location,
        ),
        "gcp:workflows/workflow:Workflow": ("cryptoKeyName", _agent(world, "workflows.googleapis.com"), location),
        RUN_SERVICE: ("template.encryptionKey", _agent(world, "run.googleapis.com"), location),
        FIRESTORE: (
            "cmekConfig.kmsKeyName",
            _agent(world, "firestore.googleapis.com"),
            _MULTI_REGIONS.get(location, location),
        ),
        RUN_JOB: ("template.template.encryptionKey", _agent(world, "run.googleapis.com"), location),
    }
    if world.token in found:
        path, agent, where = found[world.token]
        key = world.value(path)
        if key:
            yield key, agent, where
    if world.token == SECRET:
        agent = _agent(world, "secretmanager.googleapis.com")
        key = world.value("replication.auto.customerManagedEncryption.kmsKeyName")
        if key:
            yield key, agent, "global"
        for replica in world.value("replication.userManaged.replicas") or []:
            key = get_path(replica, "customerManagedEncryption.kmsKeyName")
            if key:
                yield key, agent, str(replica.get("location"))


def storage_agent(number: str) -> str:
    return f"service-{number}@gs-project-accounts.iam.gserviceaccount.com"


def logging_agent(number: str) -> str:
    return f"cmek-p{number}@gcp-sa-logging.iam.gserviceaccount.com"


def _check_encryption(world: World) -> None:
    for key, agent, location in _encryption_uses(world):
        parts = key.split("/")
        if len(parts) < 8 or parts[4] != "keyRings":  # noqa: PLR2004 - projects/P/locations/L/keyRings/R/cryptoKeys/K
            raise CloudError(400, f"{key!r} is not the name of a key", "invalid")
        if location is not None and parts[3] != location:
            raise CloudError(
                400,
                f"The key {key} is in {parts[3]}, but {world.id} is in {location}: they must be the same",
                "invalid",
            )
        if not world.store.exists(KEY, key):
            raise CloudError(404, f"CryptoKey {key} not found.", "notFound")
        if not is_granted(world.store, key, ENCRYPTER, agent):
            raise CloudError(
                403,
                f"{agent} does not have permission to use the key {key}: it needs {ENCRYPTER} on it",
                "forbidden",
            )


def is_granted(store: Store, key: str, role: str, email: str) -> bool:
    """Whether an account has a role on a key, by a grant on the key or on its project."""
    member = f"serviceAccount:{email}"
    return store.exists("gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember", f"{key}/{role}/{member}") or store.exists(
        "gcp:projects/iAMMember:IAMMember", f"{key.split('/')[1]}/{role}/{member}"
    )


# --- identities ------------------------------------------------------------------------------------------------------


def account_exists(world: World, email: str) -> bool:
    """Whether a service account exists; accounts of other projects are taken on trust."""
    host = email.partition("@")[2].removesuffix(".iam.gserviceaccount.com")
    if email == f"{world.number}-compute@developer.gserviceaccount.com":
        return api_enabled(world.store, world.project, "compute.googleapis.com")
    if host == world.project:
        return world.store.exists(ACCOUNT, f"projects/{world.project}/serviceAccounts/{email}")
    if host.startswith("gcp-sa-") or host in _AGENT_HOSTS:
        return world.store.has_agent(email) or world.number not in email
    return True


def _check_grant(world: World) -> None:
    if "role" not in world.inputs:
        return  # an account's own `member` output is no grant
    members = world.outputs.get("members") or [world.outputs.get("member")]
    for member in members:
        kind, _, email = str(member or "").partition(":")
        if kind == "serviceAccount" and not account_exists(world, email):
            raise CloudError(400, f"Service account {email} does not exist.", "badRequest")


_ACCOUNT_PATHS: Final = {
    RUN_JOB: ("template.template.serviceAccount",),
    RUN_SERVICE: ("template.serviceAccount",),
    "gcp:cloudscheduler/job:Job": (
        "httpTarget.oauthToken.serviceAccountEmail",
        "httpTarget.oidcToken.serviceAccountEmail",
    ),
    "gcp:workflows/workflow:Workflow": ("serviceAccount",),
}


def _check_service_accounts(world: World) -> None:
    for path in _ACCOUNT_PATHS.get(world.token, ()):
        email = str(world.value(path) or "").rsplit("/", 1)[-1]
        if email and not account_exists(world, email):
            raise CloudError(404, f"{path}: service account {email} was not found", "notFound")


# --- one type at a time ----------------------------------------------------------------------------------------------


def _check_instance(world: World) -> None:
    settings = world.outputs.get("settings") or {}
    network = get_path(settings, "ipConfiguration.privateNetwork")
    public = get_path(settings, "ipConfiguration.ipv4Enabled")
    psc = get_path(settings, "ipConfiguration.pscConfigs")
    if public is False and not network and not psc:
        raise CloudError(
            400, "At least one of Public IP, Private IP or PSC connectivity must be enabled", "invalidRequest"
        )
    if network:
        _check_private_access(world, str(network), get_path(settings, "ipConfiguration.allocatedIpRange"))
    backups = settings.get("backupConfiguration") or {}
    if settings.get("availabilityType") == "REGIONAL" and not (
        backups.get("enabled") and backups.get("pointInTimeRecoveryEnabled")
    ):
        raise CloudError(
            400, "A REGIONAL instance needs automated backups and point-in-time recovery enabled", "invalidRequest"
        )
    version = str(world.outputs.get("databaseVersion"))
    major = int(version.removeprefix("POSTGRES_").split("_")[0]) if version.startswith("POSTGRES_") else 0
    edition = settings.get("edition") or ("ENTERPRISE_PLUS" if major >= _FIRST_ENTERPRISE_PLUS else "ENTERPRISE")
    tier = str(settings.get("tier"))
    if (edition == "ENTERPRISE_PLUS") != tier.startswith(("db-perf-optimized-", "db-c4a-")):
        raise CloudError(400, f"Invalid Tier ({tier}) for ({edition}) Edition", "invalid")
    days = backups.get("transactionLogRetentionDays")
    most = 35 if edition == "ENTERPRISE_PLUS" else 7
    if isinstance(days, int) and not 1 <= days <= most:
        raise CloudError(400, f"transactionLogRetentionDays must be from 1 to {most} for {edition}", "invalid")
    master = world.outputs.get("masterInstanceName")
    if master and not world.store.exists(INSTANCE, str(master).rsplit(":", 1)[-1]):
        raise CloudError(404, f"The master instance {master} does not exist.", "instanceDoesNotExist")


def _network_id(reference: str, project: str) -> str:
    """The id behind an id, a self link or a bare name."""
    if "/" not in reference:
        return f"projects/{project}/global/networks/{reference}"
    return reference[reference.index("projects/") :]


def _check_private_access(world: World, reference: str, wanted_range: Value) -> None:
    network = _network_id(reference, world.project)
    connections = [
        item
        for item in world.store.objects(CONNECTION)
        if _network_id(str(item.outputs.get("network")), world.project) == network
    ]
    if not connections:
        raise CloudError(
            400,
            f"Invalid request: Incorrect Service Networking config for instance: {world.project}:{world.id}:"
            f" SERVICE_NETWORKING_NOT_ENABLED on {network}",
            "invalid",
        )
    ranges = [name for item in connections for name in item.outputs.get("reservedPeeringRanges") or []]
    if wanted_range and wanted_range not in ranges:
        raise CloudError(
            400, f"The allocated IP range {wanted_range} is not part of the connection: {ranges}", "invalid"
        )


def _check_connection(world: World) -> None:
    for name in world.outputs.get("reservedPeeringRanges") or []:
        item = world.store.get(
            "gcp:compute/globalAddress:GlobalAddress", f"projects/{world.project}/global/addresses/{name}"
        )
        if item is None:
            raise CloudError(404, f"The range {name} was not found", "notFound")
        if item.outputs.get("purpose") != "VPC_PEERING":
            raise CloudError(400, f"The range {name} has no purpose VPC_PEERING", "invalid")


def _check_user(world: World) -> None:
    if world.outputs.get("type") == "CLOUD_IAM_SERVICE_ACCOUNT" and str(world.outputs.get("name")).endswith(
        ".gserviceaccount.com"
    ):
        raise CloudError(
            400,
            f"{world.outputs['name']}: the user of a service account is its email without .gserviceaccount.com",
            "invalid",
        )


def _check_folder(world: World) -> None:
    bucket = world.store.get(BUCKET, str(world.outputs.get("bucket")))
    if bucket is not None and not bucket.outputs.get("uniformBucketLevelAccess"):
        raise CloudError(400, "Managed folders need uniform bucket-level access on their bucket", "invalid")


def _check_secret(world: World) -> None:
    agent = f"serviceAccount:{_agent(world, 'secretmanager.googleapis.com')}"
    for topic in world.outputs.get("topics") or []:
        name = str(topic.get("name"))
        if not world.store.exists("gcp:pubsub/topic:Topic", name):
            raise CloudError(404, f"Topic {name} was not found", "notFound")
        if not world.store.exists("gcp:pubsub/topicIAMMember:TopicIAMMember", f"{name}/roles/pubsub.publisher/{agent}"):
            raise CloudError(403, f"{agent} needs roles/pubsub.publisher on {name}", "forbidden")
    if world.outputs.get("rotation") and not world.outputs.get("topics"):
        raise CloudError(400, "rotation needs at least one topic", "invalidArgument")


def _check_alert_policy(world: World) -> None:
    for channel in world.outputs.get("notificationChannels") or []:
        if not world.store.exists(CHANNEL, str(channel)):
            raise CloudError(404, f"Cannot find NotificationChannel {channel}", "notFound")
    for path, text in strings_in(world.outputs.get("conditions"), "conditions"):
        for metric in _USER_METRIC.findall(text):
            if not world.store.exists("gcp:logging/metric:Metric", metric):
                raise CloudError(
                    404,
                    f'{path}: Cannot find a metric of type = "logging.googleapis.com/user/{metric}". If a metric'
                    " was created recently, it could take up to 10 minutes to become available.",
                    "notFound",
                )


def _check_budget(world: World) -> None:
    for channel in world.value("allUpdatesRule.monitoringNotificationChannels") or []:
        if not world.store.exists(CHANNEL, str(channel)):
            raise CloudError(404, f"Cannot find NotificationChannel {channel}", "notFound")


def _check_slo(world: World) -> None:
    service = str(world.outputs.get("service")).rsplit("/", 1)[-1]
    types = ("gcp:monitoring/customService:CustomService", "gcp:monitoring/genericService:GenericService")
    if not any(item.id.rsplit("/", 1)[-1] == service for token in types for item in world.store.objects(token)):
        raise CloudError(404, f"Could not find service {service}", "notFound")


def _check_dashboard(world: World) -> None:
    try:
        json.loads(str(world.outputs.get("dashboardJson")))
    except ValueError as error:
        raise CloudError(400, f"dashboardJson is not JSON: {error}", "invalidArgument") from error


def _check_run(world: World) -> None:
    inner = "template.template" if world.token == RUN_JOB else "template"
    for interface in world.value(f"{inner}.vpcAccess.networkInterfaces") or []:
        network = interface.get("network")
        if network and not world.store.exists(NETWORK, _network_id(str(network), world.project)):
            raise CloudError(404, f"Network {network} was not found", "notFound")
        subnet = str(interface.get("subnetwork") or "")
        if subnet:
            known = [item.id for item in world.store.objects("gcp:compute/subnetwork:Subnetwork")]
            if not any(item.rsplit("/", 1)[-1] == subnet.rsplit("/", 1)[-1] for item in known):
                raise CloudError(404, f"Subnetwork {subnet} was not found", "notFound")
    for container in world.value(f"{inner}.containers") or []:
        for entry in container.get("envs") or []:
            secret = get_path(entry, "valueSource.secretKeyRef.secret")
            if secret and not world.store.exists(
                SECRET, f"projects/{world.project}/secrets/{str(secret).rsplit('/', 1)[-1]}"
            ):
                raise CloudError(404, f"Secret {secret} was not found", "notFound")


_ON_CREATE: Final[Mapping[str, Callable[[World], None]]] = {
    CONNECTION: _check_connection,
    "gcp:monitoring/slo:Slo": _check_slo,
    "gcp:sql/user:User": _check_user,
    "gcp:storage/managedFolder:ManagedFolder": _check_folder,
}
_ON_CREATE_AND_UPDATE: Final[Mapping[str, Callable[[World], None]]] = {
    INSTANCE: _check_instance,
    SECRET: _check_secret,
    "gcp:billing/budget:Budget": _check_budget,
    RUN_JOB: _check_run,
    RUN_SERVICE: _check_run,
    "gcp:monitoring/alertPolicy:AlertPolicy": _check_alert_policy,
    "gcp:monitoring/dashboard:Dashboard": _check_dashboard,
}


# --- consequences ----------------------------------------------------------------------------------------------------


def after_create(world: World) -> None:
    """What comes into being beside the resource: service agents, mostly."""
    if world.token == SERVICE:
        api = str(world.outputs.get("service"))
        if api in AGENT_ON_ENABLE:
            world.store.add_agent(_agent(world, api))
    elif world.token == IDENTITY:
        world.store.add_agent(str(world.outputs.get("email")))
    elif world.token == INSTANCE:
        world.store.add_agent(str(world.outputs.get("serviceAccountEmailAddress")))
    elif world.token == SINK:
        world.store.add_agent(str(world.outputs.get("writerIdentity")).removeprefix("serviceAccount:"))


def after_remove(store: Store, item: CloudObject) -> None:
    """What becomes of others when an object is gone: a subscription stays, and says that its topic is deleted."""
    if item.type == RUN_SERVICE:
        revisions.forget(store, item.id)
    if item.type != TOPIC:
        return
    for found in store.objects(SUBSCRIPTION):
        topic = str(found.outputs.get("topic"))
        if topic in (item.id, item.outputs.get("name")):
            store.put(replace(found, outputs={**found.outputs, "topic": DELETED_TOPIC}))


# --- deletion --------------------------------------------------------------------------------------------------------


def check_delete(world: World, state: Props) -> None:
    """Refusals to delete that hang on the object's own settings or on what lives under it.

    Raises:
        CloudError: as the API would answer.
        ProviderError: the provider itself refuses.
    """
    check = _ON_DELETE.get(world.token)
    if check is not None:
        check(world, state)
    references.check_unused(world)
    for token, child in world.store.children(world.token, world.id):
        if _blocks(token, world.token) and not (world.token in _FORCED and state.get("forceDestroy")):
            raise CloudError(400, f"{world.id} is still used by {token} {child}", "resourceInUseByAnotherResource")


_FORCED: Final = (BUCKET, "gcp:dns/managedZone:ManagedZone")
"""Types whose `forceDestroy` takes their contents along."""


def _blocks(child: str, parent: str) -> bool:
    return any(entry.token == parent and entry.on_delete == "block" for entry in rule_for(child).parents)


def _check_instance_delete(world: World, _state: Props) -> None:
    if world.value("settings.deletionProtectionEnabled"):
        raise CloudError(
            400,
            "The instance is protected. Please disable the deletion protection and try again. To disable deletion "
            "protection, update the instance settings with deletionProtectionEnabled set to false.",
            "instanceProtected",
        )


def _check_connection_delete(world: World, state: Props) -> None:
    if state.get("deletionPolicy") == "REMOVE_PEERING":
        return
    network = _network_id(str(world.outputs.get("network")), world.project)
    for item in world.store.objects(INSTANCE):
        used = get_path(item.outputs, "settings.ipConfiguration.privateNetwork")
        if used and _network_id(str(used), world.project) == network:
            raise CloudError(
                400,
                "Failed to delete connection; Producer services (e.g. CloudSQL, Cloud Memstore, etc.) are still"
                f" using this connection: {item.id}",
                "flowException",
            )


def _check_log_bucket_delete(world: World, _state: Props) -> None:
    if world.outputs.get("locked"):
        raise CloudError(
            400,
            f"Log bucket {world.id} is locked: it can be deleted only after every entry has been kept for"
            f" {world.outputs.get('retentionDays')} days",
            "failedPrecondition",
        )


def _check_firestore_delete(world: World, state: Props) -> None:
    name, protected = world.outputs.get("name"), "DELETE_PROTECTION_ENABLED"
    if state.get("deleteProtectionState") == protected:
        raise ProviderError(
            f"Cannot delete Firestore database {name}: Delete Protection is enabled. Set delete_protection_state to"
            " DELETE_PROTECTION_DISABLED for this resource and run `pulumi up` before attempting to delete it."
        )
    if world.outputs.get("deleteProtectionState") == protected:
        raise CloudError(400, f"The database {world.id} has delete protection enabled", "failedPrecondition")


def _check_bucket_delete(world: World, state: Props) -> None:
    for token, child in world.store.children(BUCKET, world.id):
        item = world.store.get(token, child)
        if token != BUCKET_OBJECT or item is None:
            continue
        if not state.get("forceDestroy"):
            raise ProviderError(
                f"Error trying to delete bucket {world.id} containing objects without `force_destroy` set to true"
            )
        check_object_retention(
            World(world.store, world.clock, token, world.rule, child, item.inputs, item.outputs, world.config)
        )


def check_object_retention(world: World) -> None:
    """Refuse to overwrite or delete an object that its bucket's retention policy still holds."""
    bucket = world.store.get(BUCKET, str(world.outputs.get("bucket")))
    item = world.store.get(world.token, world.id)
    seconds = get_path(bucket.outputs, "retentionPolicy.retentionPeriod") if bucket else None
    if seconds is None or item is None:
        return
    until = dt.datetime.fromisoformat(item.created) + dt.timedelta(seconds=int(seconds))
    if until > world.clock.now():
        raise CloudError(
            403,
            f"Object '{item.outputs.get('bucket')}/{item.outputs.get('name')}' is subject to bucket's retention policy"
            f" and cannot be deleted, overwritten or archived until {until.isoformat()}",
            "retentionPolicyNotMet",
        )


_ON_DELETE: Final[Mapping[str, Callable[[World, Props], None]]] = {
    BUCKET: _check_bucket_delete,
    BUCKET_OBJECT: lambda world, _state: check_object_retention(world),
    CONNECTION: _check_connection_delete,
    FIRESTORE: _check_firestore_delete,
    INSTANCE: _check_instance_delete,
    LOG_BUCKET: _check_log_bucket_delete,
}


def _check_retention_change(world: World, before: Props) -> None:
    if not get_path(before, "retentionPolicy.isLocked"):
        return
    old = int(get_path(before, "retentionPolicy.retentionPeriod") or 0)
    new = int(world.value("retentionPolicy.retentionPeriod") or 0)
    if new < old or not world.value("retentionPolicy.isLocked"):
        raise CloudError(
            403, f"Cannot reduce retention duration of a locked Retention Policy for bucket '{world.id}'.", "forbidden"
        )
