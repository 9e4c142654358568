"""AWS rules that see the whole stack. The fixture is a complete stack; each test breaks one thing in it."""

import json

import pytest

from policies.aws import tokens
from policies.tokens import TENANT_DATABASE
from tests.policies.aws.fixtures import ACCOUNT, COMPLIANT, KEY, allow, document, tls_only
from tests.policies.support import (
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_BOOLEAN_VALUE,
    UNKNOWN_STRING_VALUE,
    UNSET,
    Props,
    Stack,
    changed,
)

INSTANCE = "acme-prod-pool-business-1"
ROOT = "tenantry-prod"
BUCKETS = {"exports": "eu-west-1", "audit": "eu-central-1", "uploads": "eu-central-1", "uploads-replica": "eu-west-1"}
DEV = {"requireLock": False, "roles": [], "requireCopy": False, "requireSelection": False}
ENTRY = {"id": "acme", "kind": "rds", "state": "active", "instance": "business"}
_UNKNOWN = "is not known during preview"
_ALGORITHM = "applyServerSideEncryptionByDefault.sseAlgorithm"
_KMS_OBJECTS = "sourceSelectionCriteria.sseKmsEncryptedObjects.status"


def _siblings(role: str) -> dict[str, tuple[str, Props]]:
    """The settings of a bucket: suffix of the Pulumi name, token and properties."""
    name = f"acme-prod-{role}"
    days = {"exports": {"days": 30.0}, "audit": {"years": 1.0}}.get(role)
    found: dict[str, tuple[str, Props]] = {
        "block": (
            tokens.S3_PUBLIC_ACCESS[0],
            {
                "blockPublicAcls": True,
                "blockPublicPolicy": True,
                "ignorePublicAcls": True,
                "restrictPublicBuckets": True,
            },
        ),
        "encryption": (
            tokens.S3_ENCRYPTION[0],
            {
                "rules": [
                    {
                        "applyServerSideEncryptionByDefault": {
                            "sseAlgorithm": "aws:kms",
                            "kmsMasterKeyId": UNKNOWN_STRING_VALUE,
                        },
                        "bucketKeyEnabled": True,
                    }
                ]
            },
        ),
        "versioning": (tokens.S3_VERSIONING[0], {"versioningConfiguration": {"status": "Enabled"}}),
        "ownership": (tokens.S3_OWNERSHIP[0], {"rule": {"objectOwnership": "BucketOwnerEnforced"}}),
        "policy": (tokens.S3_POLICIES[0], {"policy": document(tls_only(name))}),
        "lifecycle": (
            tokens.S3_LIFECYCLES[0],
            {"rules": [{"id": "old", "status": "Enabled", "expiration": {"days": 400.0}}]},
        ),
    }
    if days is not None:
        retention = {"rule": {"defaultRetention": {"mode": "GOVERNANCE", **days}}}
        found["lock"] = (tokens.S3_LOCKS[0], retention)
    return {key: (token, {"bucket": name, **props}) for key, (token, props) in found.items()}


@pytest.fixture
def stack() -> Stack:
    whole = Stack()
    for role, region in BUCKETS.items():
        bucket = {
            "bucket": f"acme-prod-{role}",
            "region": region,
            "tags": {"role": role.partition("-")[0]},
            "objectLockEnabled": role in ("exports", "audit"),
        }
        whole.add(tokens.S3_BUCKETS[0], role, bucket, protect=True)
        for suffix, (token, props) in _siblings(role).items():
            whole.add(token, f"{role}-{suffix}", props)
    replication = {
        "bucket": "acme-prod-uploads",
        "role": f"arn:aws:iam::{ACCOUNT}:role/acme-prod-replication",
        "rules": [
            {
                "status": "Enabled",
                "sourceSelectionCriteria": {"sseKmsEncryptedObjects": {"status": "Enabled"}},
                "destination": {
                    "bucket": "arn:aws:s3:::acme-prod-uploads-replica",
                    "encryptionConfiguration": {"replicaKmsKeyId": UNKNOWN_STRING_VALUE},
                },
            }
        ],
    }
    whole.add(tokens.S3_REPLICATION[0], "replication", replication)
    whole.add(tokens.TRAIL, "trail", COMPLIANT[tokens.TRAIL])
    whole.add(tokens.VPC, "vpc", {"cidrBlock": "10.0.0.0/16"})
    whole.add(
        tokens.DEFAULT_SECURITY_GROUP, "default-group", {"vpcId": UNKNOWN_STRING_VALUE}, built_from={"vpcId": ["vpc"]}
    )
    whole.add(
        tokens.FLOW_LOG,
        "flow-log",
        {"vpcId": UNKNOWN_STRING_VALUE, "trafficType": "ALL"},
        built_from={"vpcId": ["vpc"]},
    )
    whole.add(tokens.SECURITY_GROUP, "edge", {"vpcId": UNKNOWN_STRING_VALUE})
    whole.add(
        tokens.LOAD_BALANCERS[0],
        "load-balancer",
        {"securityGroups": [UNKNOWN_STRING_VALUE]},
        built_from={"securityGroups": ["edge"]},
    )
    _edge_rule(whole, {})
    parameters = {
        "rds.force_ssl": "1",
        "log_connections": "1",
        "log_disconnections": "1",
        "log_lock_waits": "1",
        "log_statement": "ddl",
    }
    listed = [{"name": name, "value": value} for name, value in parameters.items()]
    whole.add(
        tokens.RDS_PARAMETER_GROUP, "parameters", {"name": INSTANCE, "family": "postgres17", "parameters": listed}
    )
    whole.add(tokens.RDS_INSTANCE, "instance", COMPLIANT[tokens.RDS_INSTANCE], protect=True)
    whole.add(tokens.RDS_BACKUP_REPLICATION, "copy", COMPLIANT[tokens.RDS_BACKUP_REPLICATION])
    whole.add(tokens.BACKUP_VAULT, "vault", {"name": "acme-prod"}, protect=True)
    whole.add(tokens.BACKUP_VAULT_LOCK, "vault-lock", {"backupVaultName": "acme-prod", "minRetentionDays": 30.0})
    whole.add(tokens.BACKUP_PLAN, "plan", COMPLIANT[tokens.BACKUP_PLAN])
    tag = {"type": "STRINGEQUALS", "key": "backup", "value": "daily"}
    whole.add(tokens.BACKUP_SELECTION, "selection", {"planId": "p", "selectionTags": [tag]})
    whole.add(TENANT_DATABASE, "acme", {"kind": "rds", "instance": "business"})
    whole.add(tokens.SECRET, "credential", {"name": "tenant-acme-credential"})
    whole.add(tokens.SECRET, "url", {"name": "tenant-acme-database-url"})
    whole.add(tokens.S3_OBJECTS[0], "entry", {"key": "tenants/acme.json", "content": json.dumps(ENTRY)})
    content = json.dumps({"name": INSTANCE})
    whole.add(tokens.S3_OBJECTS[0], "instance-entry", {"key": "instances/business.json", "content": content})
    whole.add(tokens.SCHEDULE, "schedule", {"name": "acme-prod-export", "state": "ENABLED"})
    for name in ("rds-cpu", "export-age", "drill-age"):
        whole.add(tokens.ALARM, name, {"name": name})
    return whole


def _edge_rule(whole: Stack, changes: Props) -> None:
    rule = {
        "securityGroupId": UNKNOWN_STRING_VALUE,
        "ipProtocol": "tcp",
        "fromPort": 443.0,
        "toPort": 443.0,
        "cidrIpv4": "0.0.0.0/0",
    }
    whole.add(tokens.INGRESS_RULE, "edge-https", rule | changes, built_from={"securityGroupId": ["edge"]})


def test_a_complete_stack_passes(stack: Stack) -> None:
    assert stack.judge_all() == {}


class TestBuckets:
    @pytest.mark.parametrize(
        ("rule", "suffix", "setting"),
        [
            ("s3-public-access", "block", "BucketPublicAccessBlock"),
            ("s3-encryption", "encryption", "BucketServerSideEncryptionConfiguration"),
            ("s3-versioning", "versioning", "BucketVersioning"),
            ("s3-ownership", "ownership", "BucketOwnershipControls"),
            ("s3-tls-only", "policy", "BucketPolicy"),
            ("s3-lifecycle", "lifecycle", "BucketLifecycleConfiguration"),
        ],
    )
    def test_every_setting_is_missed(self, stack: Stack, rule: str, suffix: str, setting: str) -> None:
        stack.remove(f"uploads-{suffix}")

        assert stack.judge(rule) == [("uploads", f"the bucket has no {setting}")]

    def test_settings_are_joined_by_what_they_are_built_from_and_under_their_old_names(self, stack: Stack) -> None:
        token, props = _siblings("uploads")["versioning"]
        old = tokens.S3_VERSIONING[1]
        assert token != old
        stack.remove("uploads-versioning")
        stack.add(old, "old", props | {"bucket": UNKNOWN_STRING_VALUE}, built_from={"bucket": ["uploads"]})
        assert stack.judge("s3-versioning") == []

        stack.add(old, "old", props | {"bucket": UNKNOWN_STRING_VALUE})
        assert stack.judge("s3-versioning") == [("uploads", "the bucket has no BucketVersioning")]

    def test_a_bucket_under_its_old_name_is_a_bucket(self, stack: Stack) -> None:
        stack.add(tokens.S3_BUCKETS[1], "old", {"bucket": "acme-old"}, protect=True)

        found = {rule: reports for rule, reports in stack.judge_all().items() if ("old", reports[0][1]) in reports}
        assert sorted(found) == [
            "s3-encryption",
            "s3-lifecycle",
            "s3-ownership",
            "s3-public-access",
            "s3-tls-only",
            "s3-versioning",
        ]

    @pytest.mark.parametrize(
        ("rule", "suffix", "path", "value", "message"),
        [
            *(
                ("s3-public-access", "block", prop, value, f"{prop} {found}; it must be literally true")
                for prop in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
                for value, found in [
                    (UNSET, "is not set"),
                    (False, "is false"),
                    (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN),
                ]
            ),
            *(
                (
                    "s3-encryption",
                    "encryption",
                    f"rules.0.{_ALGORITHM}",
                    value,
                    f"rules[0].applyServerSideEncryptionByDefault.sseAlgorithm {found}; it must be literally aws:kms",
                )
                for value, found in [("AES256", "is another value"), (UNKNOWN_STRING_VALUE, _UNKNOWN)]
            ),
            (
                "s3-encryption",
                "encryption",
                "rules.0.applyServerSideEncryptionByDefault.kmsMasterKeyId",
                UNSET,
                "rules[0].applyServerSideEncryptionByDefault.kmsMasterKeyId is not set; it must be set",
            ),
            (
                "s3-encryption",
                "encryption",
                "rules.0.bucketKeyEnabled",
                UNSET,
                "rules[0].bucketKeyEnabled is not set; it must be literally true",
            ),
            ("s3-encryption", "encryption", "rules", [], "rules is empty; it must be a literal"),
            (
                "s3-encryption",
                "encryption",
                "rules",
                UNKNOWN_ARRAY_VALUE,
                f"rules {_UNKNOWN}; it must be a literal",
            ),
            *(
                (
                    "s3-versioning",
                    "versioning",
                    "versioningConfiguration.status",
                    value,
                    f"versioningConfiguration.status {found}; it must be literally Enabled",
                )
                for value, found in [("Suspended", "is another value"), (UNKNOWN_STRING_VALUE, _UNKNOWN)]
            ),
            (
                "s3-ownership",
                "ownership",
                "rule.objectOwnership",
                "ObjectWriter",
                "rule.objectOwnership is another value; it must be literally BucketOwnerEnforced",
            ),
            ("s3-tls-only", "policy", "policy", UNKNOWN_STRING_VALUE, f"policy {_UNKNOWN}; it must be a literal"),
            *(
                (
                    "s3-lifecycle",
                    "lifecycle",
                    path,
                    value,
                    "rules has none whose status is literally Enabled",
                )
                for path, value in [
                    ("rules.0.status", "Disabled"),
                    ("rules.0.status", UNKNOWN_STRING_VALUE),
                    ("rules", []),
                    ("rules", UNKNOWN_ARRAY_VALUE),
                ]
            ),
        ],
    )
    def test_one_change_is_one_violation(
        self, stack: Stack, rule: str, suffix: str, path: str, value: object, message: str
    ) -> None:
        token, props = _siblings("uploads")[suffix]
        stack.add(token, f"uploads-{suffix}", changed(props, path, value))

        assert stack.judge(rule) == [(f"uploads-{suffix}", message)]

    @pytest.mark.parametrize(
        "change",
        [
            {"Effect": "Allow"},
            {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}},
            {"Action": "s3:GetObject"},
            {"Resource": "arn:aws:s3:::acme-prod-uploads/*"},
            {"Resource": "arn:aws:s3:::acme-prod-uploads"},
            {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
            {"Condition": {"Bool": {"aws:SecureTransport": "false"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
            {"Condition": {}},
        ],
    )
    def test_a_denial_that_leaves_a_way_without_tls_is_none(self, stack: Stack, change: Props) -> None:
        policy = document(tls_only("acme-prod-uploads") | change)
        stack.add(tokens.S3_POLICIES[0], "uploads-policy", {"bucket": "acme-prod-uploads", "policy": policy})

        message = "policy does not deny everyone s3:* on the bucket and its objects where aws:SecureTransport is false"
        assert stack.judge("s3-tls-only") == [("uploads-policy", message)]

    @pytest.mark.parametrize(
        ("name", "path", "value", "finding"),
        [
            *(
                ("exports", "objectLockEnabled", value, f"objectLockEnabled {found}; it must be literally true")
                for value, found in [
                    (UNSET, "is not set"),
                    (False, "is false"),
                    (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN),
                ]
            ),
            *(
                (
                    "exports-lock",
                    "rule.defaultRetention.mode",
                    value,
                    f"rule.defaultRetention.mode {found}; it must be one of COMPLIANCE, GOVERNANCE",
                )
                for value, found in [(UNSET, "is not set"), (UNKNOWN_STRING_VALUE, _UNKNOWN)]
            ),
            *(
                (
                    "exports-lock",
                    "rule.defaultRetention.days",
                    value,
                    f"rule.defaultRetention {found} days; it must be a literal of at least 30",
                )
                for value, found in [
                    (UNSET, "is not set"),
                    (0, "is 0"),
                    (29, "is 29"),
                    (UNKNOWN_STRING_VALUE, _UNKNOWN),
                ]
            ),
            (
                "audit-lock",
                "rule.defaultRetention",
                {"mode": "COMPLIANCE", "days": 364.0},
                "rule.defaultRetention is 364 days; it must be a literal of at least 365",
            ),
            (
                "exports-lifecycle",
                "rules.0.expiration.days",
                29,
                "rules[0].expiration.days is 29; it must be a literal of at least 30",
            ),
        ],
    )
    def test_exports_and_audit_logs_are_locked(
        self, stack: Stack, name: str, path: str, value: object, finding: str
    ) -> None:
        role, _, suffix = name.partition("-")
        if suffix:
            token, props = _siblings(role)[suffix]
        else:
            token = tokens.S3_BUCKETS[0]
            props = {"bucket": f"acme-prod-{role}", "objectLockEnabled": True, "tags": {"role": role}}
        stack.add(token, name, changed(props, path, value), protect=True)

        assert stack.judge("s3-locked-retention") == [(name, finding)]

    def test_a_lock_is_missed_and_its_role_must_be_known(self, stack: Stack) -> None:
        stack.remove("exports-lock")
        uploads = {"bucket": "acme-prod-uploads", "tags": {"role": UNKNOWN_STRING_VALUE}}
        stack.add(tokens.S3_BUCKETS[0], "uploads", uploads, protect=True)

        assert stack.judge("s3-locked-retention") == [
            ("exports", "the bucket has no BucketObjectLockConfiguration"),
            ("uploads", f"tags.role {_UNKNOWN}; it must be a literal"),
        ]

    def test_dev_may_leave_the_lock_open_but_not_throw_away(self, stack: Stack) -> None:
        stack.remove("exports-lock")
        token, props = _siblings("exports")["lifecycle"]
        stack.add(token, "exports-lifecycle", changed(props, "rules.0.expiration.days", 7))

        assert stack.judge("s3-locked-retention", DEV) == [
            ("exports-lifecycle", "rules[0].expiration.days is 7; it must be a literal of at least 30")
        ]

    @pytest.mark.parametrize(
        ("path", "value", "message"),
        [
            *(
                (
                    path,
                    value,
                    "rules has none that is Enabled and copies to a bucket of this stack in another region",
                )
                for path, value in [
                    ("rules.0.status", "Disabled"),
                    ("rules.0.destination.bucket", "arn:aws:s3:::elsewhere"),
                    ("rules.0.destination.bucket", "arn:aws:s3:::acme-prod-audit"),
                    ("rules.0.destination.bucket", UNKNOWN_STRING_VALUE),
                ]
            ),
            (
                "rules.0.sourceSelectionCriteria",
                UNSET,
                f"rules[0].{_KMS_OBJECTS} is not set; it must be literally Enabled",
            ),
            (
                "rules.0.destination.encryptionConfiguration",
                UNSET,
                "rules[0].destination.encryptionConfiguration.replicaKmsKeyId is not set; it must be set",
            ),
        ],
    )
    def test_uploads_leave_the_region(self, stack: Stack, path: str, value: object, message: str) -> None:
        # the replica is told by what is copied to it; with another destination it is a bucket of uploads itself
        stack.remove("uploads-replica")
        replica = {"bucket": "acme-prod-uploads-replica", "region": "eu-west-1", "tags": {"role": "replica"}}
        stack.add(tokens.S3_BUCKETS[0], "uploads-replica", replica, protect=True)
        props: Props = {
            "bucket": "acme-prod-uploads",
            "rules": [
                {
                    "status": "Enabled",
                    "sourceSelectionCriteria": {"sseKmsEncryptedObjects": {"status": "Enabled"}},
                    "destination": {
                        "bucket": "arn:aws:s3:::acme-prod-uploads-replica",
                        "encryptionConfiguration": {"replicaKmsKeyId": KEY},
                    },
                }
            ],
        }
        stack.add(tokens.S3_REPLICATION[0], "replication", changed(props, path, value))

        assert stack.judge("s3-replication") == [("replication", message)]

    def test_uploads_without_replication_are_missed_where_it_is_asked_for(self, stack: Stack) -> None:
        stack.remove("replication")

        message = "the bucket has no BucketReplicationConfig"
        assert stack.judge("s3-replication") == [("uploads", message), ("uploads-replica", message)]
        assert stack.judge("s3-replication", DEV) == []


class TestDatabases:
    @pytest.mark.parametrize(
        ("rule", "name", "value", "found", "wanted"),
        [
            ("rds-tls", "rds.force_ssl", None, "is not set", "1"),
            ("rds-tls", "rds.force_ssl", "0", "is another value", "1"),
            ("rds-tls", "rds.force_ssl", UNKNOWN_STRING_VALUE, _UNKNOWN, "1"),
            ("rds-log-parameters", "log_connections", "0", "is another value", "1 or on"),
            ("rds-log-parameters", "log_statement", "none", "is another value", "ddl or mod or all"),
            ("rds-log-parameters", "log_lock_waits", None, "is not set", "1 or on"),
        ],
    )
    def test_parameters(self, stack: Stack, rule: str, name: str, value: str | None, found: str, wanted: str) -> None:
        parameters = dict.fromkeys(("log_connections", "log_disconnections", "log_lock_waits", "rds.force_ssl"), "1")
        parameters |= {"log_statement": "ddl", **({name: value} if value is not None else {})}
        if value is None:
            del parameters[name]
        listed = [{"name": one, "value": two} for one, two in parameters.items()]
        stack.add(tokens.RDS_PARAMETER_GROUP, "parameters", {"name": INSTANCE, "parameters": listed})

        assert stack.judge(rule) == [("parameters", f"the parameter {name} {found}; it must be {wanted}")]

    @pytest.mark.parametrize("rule", ["rds-tls", "rds-log-parameters"])
    @pytest.mark.parametrize("value", [UNSET, "default.postgres17", UNKNOWN_STRING_VALUE])
    def test_a_group_of_the_stack_is_missed(self, stack: Stack, rule: str, value: object) -> None:
        props = changed(COMPLIANT[tokens.RDS_INSTANCE], "parameterGroupName", value)
        stack.add(tokens.RDS_INSTANCE, "instance", props, protect=True)

        assert stack.judge(rule) == [("instance", "parameterGroupName names no parameter group of this stack")]

    def test_a_group_is_found_by_what_its_name_is_built_from(self, stack: Stack) -> None:
        props = changed(COMPLIANT[tokens.RDS_INSTANCE], "parameterGroupName", UNKNOWN_STRING_VALUE)
        stack.add(
            tokens.RDS_INSTANCE,
            "instance",
            props,
            protect=True,
            built_from={"parameterGroupName": ["parameters"]},
        )

        assert stack.judge("rds-tls") == []

    def test_unknown_parameters_are_none(self, stack: Stack) -> None:
        stack.add(tokens.RDS_PARAMETER_GROUP, "parameters", {"name": INSTANCE, "parameters": UNKNOWN_ARRAY_VALUE})

        assert stack.judge("rds-tls") == [("parameters", "the parameter rds.force_ssl is not set; it must be 1")]

    @pytest.mark.parametrize("region", [UNSET, "eu-central-1", UNKNOWN_STRING_VALUE])
    def test_backups_are_copied_to_another_region(self, stack: Stack, region: object) -> None:
        props = changed(COMPLIANT[tokens.RDS_BACKUP_REPLICATION], "region", region)
        stack.add(tokens.RDS_BACKUP_REPLICATION, "copy", props)

        message = "region is not set to another one than the instance's, as a literal"
        assert stack.judge("rds-copied") == [("copy", message)]

    def test_a_copy_is_missed_where_it_is_asked_for_and_found_by_its_edge(self, stack: Stack) -> None:
        props = COMPLIANT[tokens.RDS_BACKUP_REPLICATION] | {"sourceDbInstanceArn": UNKNOWN_STRING_VALUE}
        stack.add(tokens.RDS_BACKUP_REPLICATION, "copy", props)
        message = "no InstanceAutomatedBackupsReplication copies the instance's backups"
        assert stack.judge("rds-copied") == [("instance", message)]
        assert stack.judge("rds-copied", DEV) == []

        stack.add(tokens.RDS_BACKUP_REPLICATION, "copy", props, built_from={"sourceDbInstanceArn": ["instance"]})
        assert stack.judge("rds-copied") == []

    @pytest.mark.parametrize(
        ("days", "found"), [(UNSET, "is not set"), (0, "is 0"), (29, "is 29"), (UNKNOWN_STRING_VALUE, _UNKNOWN)]
    )
    def test_a_vault_is_locked_for_long_enough(self, stack: Stack, days: object, found: str) -> None:
        lock = changed({"backupVaultName": "acme-prod", "minRetentionDays": 30.0}, "minRetentionDays", days)
        stack.add(tokens.BACKUP_VAULT_LOCK, "vault-lock", lock)

        message = f"minRetentionDays {found}; it must be a literal of at least 30"
        assert stack.judge("backup-vault-lock") == [("vault-lock", message)]

    def test_a_vault_without_a_lock_is_missed_where_it_is_asked_for(self, stack: Stack) -> None:
        stack.remove("vault-lock")

        assert stack.judge("backup-vault-lock") == [("vault", "the vault has no VaultLockConfiguration")]
        assert stack.judge("backup-vault-lock", DEV) == []

    @pytest.mark.parametrize(
        "arn",
        [
            f"arn:aws:backup:eu-central-1:{ACCOUNT}:backup-vault:acme-prod",
            UNKNOWN_STRING_VALUE,
            "acme-prod",
        ],
    )
    def test_a_plan_copies_to_another_region(self, stack: Stack, arn: str) -> None:
        props = changed(COMPLIANT[tokens.BACKUP_PLAN], "rules.1.copyActions.0.destinationVaultArn", arn)
        stack.add(tokens.BACKUP_PLAN, "plan", props)

        message = "no rule copies to a vault in another region, named by a literal ARN"
        assert stack.judge("backup-copied") == [("plan", message)]
        assert stack.judge("backup-copied", DEV) == []

    @pytest.mark.parametrize(
        "selection",
        [
            {"resources": [f"arn:aws:rds:eu-central-1:{ACCOUNT}:db:{INSTANCE}"]},
            {"resources": ["arn:aws:rds:*:*:db:acme-prod-*"]},
            {"resources": ["*"]},
        ],
    )
    def test_a_selection_may_list_instances(self, stack: Stack, selection: Props) -> None:
        stack.add(tokens.BACKUP_SELECTION, "selection", selection)

        assert stack.judge("backup-selected") == []

    @pytest.mark.parametrize(
        "selection",
        [
            {},
            {"resources": [f"arn:aws:rds:eu-central-1:{ACCOUNT}:db:another"]},
            {"resources": UNKNOWN_ARRAY_VALUE},
            {"selectionTags": [{"type": "STRINGEQUALS", "key": "backup", "value": "weekly"}]},
            {"selectionTags": [{"type": "STRINGEQUALS", "key": "absent", "value": UNKNOWN_STRING_VALUE}]},
            {"selectionTags": UNKNOWN_ARRAY_VALUE},
        ],
    )
    def test_a_database_that_nothing_selects_is_missed(self, stack: Stack, selection: Props) -> None:
        stack.add(tokens.BACKUP_SELECTION, "selection", selection)

        message = "no backup selection covers the instance, by its ARN or its tags"
        assert stack.judge("backup-selected") == [("instance", message)]
        assert stack.judge("backup-selected", DEV) == []

    def test_two_unknowns_are_not_the_same_tag(self, stack: Stack) -> None:
        props = changed(COMPLIANT[tokens.RDS_INSTANCE], "tags.backup", UNKNOWN_STRING_VALUE)
        stack.add(tokens.RDS_INSTANCE, "instance", props, protect=True)
        tag = {"type": "STRINGEQUALS", "key": "backup", "value": UNKNOWN_STRING_VALUE}
        stack.add(tokens.BACKUP_SELECTION, "selection", {"selectionTags": [tag]})

        message = "no backup selection covers the instance, by its ARN or its tags"
        assert stack.judge("backup-selected") == [("instance", message)]

    def test_a_replica_is_left_to_its_source(self, stack: Stack) -> None:
        replica = {"identifier": "replica", "replicateSourceDb": INSTANCE, "parameterGroupName": INSTANCE}
        stack.add(tokens.RDS_INSTANCE, "replica", replica)

        assert stack.judge_all() == {}


class TestNetwork:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"fromPort": 22.0, "toPort": 22.0},
                "the internet is let in to more than a load balancer's ports 80 and 443",
            ),
            ({"toPort": 8443.0}, "the internet is let in to more than a load balancer's ports 80 and 443"),
            ({"ipProtocol": "-1"}, "the internet is let in to more than a load balancer's ports 80 and 443"),
            (
                {"toPort": UNKNOWN_STRING_VALUE},
                "the internet is let in to more than a load balancer's ports 80 and 443",
            ),
            ({"cidrIpv4": UNKNOWN_STRING_VALUE}, "the addresses let in are not known during preview"),
        ],
    )
    def test_a_load_balancer_answers_on_its_web_ports_only(self, stack: Stack, changes: Props, message: str) -> None:
        _edge_rule(stack, changes)

        assert stack.judge("sg-open-ingress") == [("edge-https", message)]

    @pytest.mark.parametrize(
        ("address", "is_open"),
        [
            ("0.0.0.0/0", True),
            ("::/0", True),
            ("128.0.0.0/1", True),
            ("2000::/3", True),
            ("nonsense", True),
            ("10.0.0.0/8", False),
            ("192.0.2.7/32", False),
            ("fd00:1234::/32", False),
        ],
    )
    def test_nothing_else_answers_the_internet(self, stack: Stack, address: str, *, is_open: bool) -> None:
        prop = "cidrIpv6" if ":" in address else "cidrIpv4"
        rule = {"securityGroupId": "sg-2", "ipProtocol": "tcp", "fromPort": 443.0, "toPort": 443.0, prop: address}
        stack.add(tokens.INGRESS_RULE, "rule", rule)

        message = "the internet is let in to more than a load balancer's ports 80 and 443"
        assert stack.judge("sg-open-ingress") == ([("rule", message)] if is_open else [])

    def test_rules_within_a_group_are_judged_too(self, stack: Stack) -> None:
        entries = [
            {"protocol": "tcp", "fromPort": 443.0, "toPort": 443.0, "cidrBlocks": ["10.0.0.0/8", "0.0.0.0/0"]},
            {"protocol": "tcp", "fromPort": 443.0, "toPort": 443.0, "ipv6CidrBlocks": UNKNOWN_ARRAY_VALUE},
        ]
        stack.add(tokens.SECURITY_GROUP, "group", {"ingress": entries})

        assert stack.judge("sg-open-ingress") == [
            ("group", "ingress[0]: the internet is let in to more than a load balancer's ports 80 and 443"),
            ("group", "ingress[1]: the addresses let in are not known during preview"),
        ]

    def test_what_rules_beside_a_new_group_let_in_is_not_known_yet(self, stack: Stack) -> None:
        """A group's `ingress` is computed; where it is an unknown input, `sg-database-port` refuses it."""
        stack.add(tokens.SECURITY_GROUP, "group", {"ingress": UNKNOWN_ARRAY_VALUE})

        assert stack.judge("sg-open-ingress") == []

    def test_a_balancers_group_may_be_known_by_its_id(self, stack: Stack) -> None:
        """As in a deployed stack, where ids are known."""
        stack.add(tokens.SECURITY_GROUP, "edge", {"id": "sg-9"})
        stack.add(tokens.LOAD_BALANCERS[1], "load-balancer", {"securityGroups": ["sg-1", "sg-9"]})
        rule = {
            "securityGroupId": "sg-9",
            "ipProtocol": "tcp",
            "fromPort": 80.0,
            "toPort": 80.0,
            "cidrIpv4": "0.0.0.0/0",
        }
        stack.add(tokens.INGRESS_RULE, "edge-https", rule)

        assert stack.judge("sg-open-ingress") == []

    def test_what_a_network_needs_is_missed(self, stack: Stack) -> None:
        stack.remove("default-group")
        stack.remove("flow-log")

        assert stack.judge("vpc-default-group") == [
            ("vpc", "the network's default security group is left as it comes, open within itself")
        ]
        assert stack.judge("vpc-flow-logs") == [("vpc", "the network has no flow log")]

    @pytest.mark.parametrize(
        ("kind", "found"), [(UNSET, "is not set"), ("REJECT", "is REJECT"), (UNKNOWN_STRING_VALUE, _UNKNOWN)]
    )
    def test_a_flow_log_has_all_the_traffic(self, stack: Stack, kind: object, found: str) -> None:
        log = changed({"vpcId": UNKNOWN_STRING_VALUE, "trafficType": "ALL"}, "trafficType", kind)
        stack.add(tokens.FLOW_LOG, "flow-log", log, built_from={"vpcId": ["vpc"]})

        assert stack.judge("vpc-flow-logs") == [("flow-log", f"trafficType {found}; it must be literally ALL")]


class TestTrail:
    def test_a_trail_is_missed(self, stack: Stack) -> None:
        stack.remove("trail")

        assert stack.judge("account-trail") == [(ROOT, "no CloudTrail trail records what is done in the account")]

    def test_a_trail_writes_to_the_audit_bucket(self, stack: Stack) -> None:
        stack.add(tokens.TRAIL, "trail", {"s3BucketName": "acme-prod-uploads"})
        message = "a trail writes to the bucket, whose tag role is not literally audit"
        assert stack.judge("account-trail") == [("uploads", message)]

        stack.add(tokens.TRAIL, "trail", {"s3BucketName": "elsewhere"})
        message = "s3BucketName is a bucket outside this stack, whose lock cannot be seen"
        assert stack.judge("account-trail") == [("trail", message)]

    def test_a_stack_without_aws_has_no_account(self) -> None:
        assert Stack().judge("account-trail") == []


class TestTenants:
    def test_the_other_cloud_has_nothing_to_audit(self, stack: Stack) -> None:
        assert stack.judge("audit-trail") == []

    @pytest.mark.parametrize(
        ("removed", "finding"),
        [
            ("entry", ("acme", "tenant acme has a component but no registry object tenants/acme.json")),
            ("credential", ("entry", "tenant acme has no secret tenant-acme-credential")),
            ("url", ("entry", "tenant acme has no secret tenant-acme-database-url")),
            ("instance", ("entry", "tenant acme is on no RDS instance of this stack")),
            ("instance-entry", ("entry", "tenant acme is on no RDS instance of this stack")),
            ("exports", (ROOT, "the stack has tenant databases on AWS but no bucket with the role exports")),
            ("schedule", (ROOT, "no running schedule exports the databases of the tenants on AWS")),
            ("rds-cpu", (ROOT, "no enabled alarm watches the databases themselves")),
            ("export-age", (ROOT, "no enabled alarm watches exports")),
            ("drill-age", (ROOT, "no enabled alarm watches restore drills")),
        ],
    )
    def test_every_part_is_missed(self, stack: Stack, removed: str, finding: tuple[str, str]) -> None:
        stack.remove(removed)

        assert stack.judge("tenant-complete") == [finding]

    @pytest.mark.parametrize("state", ["DISABLED", "unheard of"])
    def test_a_schedule_that_does_not_run_exports_nothing(self, stack: Stack, state: str) -> None:
        stack.add(tokens.SCHEDULE, "schedule", {"name": "acme-prod-export", "state": state})

        message = "no running schedule exports the databases of the tenants on AWS"
        assert stack.judge("tenant-complete") == [(ROOT, message)]

    def test_an_alarm_that_does_not_act_watches_nothing(self, stack: Stack) -> None:
        stack.add(tokens.ALARM, "rds-cpu", {"name": "rds-cpu", "actionsEnabled": False})
        assert stack.judge("tenant-complete") == [(ROOT, "no enabled alarm watches the databases themselves")]

        metric = {"metric": {"namespace": "AWS/RDS", "metricName": "CPUUtilization"}}
        stack.add(tokens.ALARM, "rds-cpu", {"name": "cpu", "metricQueries": [metric]})
        assert stack.judge("tenant-complete") == []

    def test_a_first_preview_passes_where_content_is_not_known_yet(self, stack: Stack) -> None:
        stack.add(
            tokens.S3_OBJECTS[0],
            "instance-entry",
            {"key": "instances/business.json", "content": UNKNOWN_STRING_VALUE},
            built_from={"content": ["instance"]},
        )
        stack.add(tokens.S3_OBJECTS[0], "entry", {"key": "tenants/acme.json", "content": UNKNOWN_STRING_VALUE})

        assert stack.judge_all() == {}

    def test_a_dedicated_instance_is_found_in_its_tenants_component(self, stack: Stack) -> None:
        stack.add(TENANT_DATABASE, "acme", {"kind": "rds"})
        stack.add(tokens.S3_OBJECTS[0], "entry", {"key": "tenants/acme.json", "content": UNKNOWN_STRING_VALUE})
        stack.add(tokens.RDS_INSTANCE, "instance", COMPLIANT[tokens.RDS_INSTANCE], protect=True, parent="acme")

        assert stack.judge("tenant-complete") == []

    @pytest.mark.parametrize(
        ("name", "token", "finding"),
        [
            ("instance", tokens.RDS_INSTANCE, "the instance is not protected"),
            ("uploads", tokens.S3_BUCKETS[0], "the bucket is not protected"),
            ("vault", tokens.BACKUP_VAULT, "the vault is not protected"),
        ],
    )
    def test_data_is_protected(self, stack: Stack, name: str, token: str, finding: str) -> None:
        stack.add(token, name, COMPLIANT[token], protect=False)

        assert stack.judge("data-protected") == [(name, finding)]

    @pytest.mark.parametrize(
        ("value", "found"), [(UNSET, "is not set"), (False, "is false"), (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN)]
    )
    def test_an_instance_has_its_own_guard(self, stack: Stack, value: object, found: str) -> None:
        props = changed(COMPLIANT[tokens.RDS_INSTANCE], "deletionProtection", value)
        stack.add(tokens.RDS_INSTANCE, "instance", props, protect=True)

        message = f"deletionProtection {found}; it must be literally true"
        assert stack.judge("data-protected") == [("instance", message)]

    def test_the_guard_is_lifted_for_the_last_tenant_that_leaves_and_no_sooner(self, stack: Stack) -> None:
        unguarded = COMPLIANT[tokens.RDS_INSTANCE] | {"deletionProtection": False}
        stack.add(tokens.RDS_INSTANCE, "instance", unguarded)
        own = COMPLIANT[tokens.S3_BUCKETS[0]] | {"bucket": "own", "tags": {"role": "uploads", "tenant": "acme"}}
        stack.add(tokens.S3_BUCKETS[0], "own", own)
        content = json.dumps(ENTRY | {"state": "offboarding"})
        stack.add(tokens.S3_OBJECTS[0], "entry", {"key": "tenants/acme.json", "content": content})
        assert stack.judge("data-protected") == []

        neighbour = json.dumps(ENTRY | {"id": "other"})
        stack.add(tokens.S3_OBJECTS[0], "neighbour", {"key": "tenants/other.json", "content": neighbour})
        assert {name for name, _ in stack.judge("data-protected")} == {"instance"}

    def test_an_instance_stays_guarded_while_a_tenant_cannot_be_placed(self, stack: Stack) -> None:
        stack.add(tokens.RDS_INSTANCE, "empty", {"identifier": "empty"})
        assert stack.judge("data-protected") == []

        stray = {"key": "tenants/stray.json", "content": UNKNOWN_STRING_VALUE}
        stack.add(tokens.S3_OBJECTS[0], "stray", stray)
        assert {name for name, _ in stack.judge("data-protected")} == {"empty"}


def test_a_rule_with_a_principal_elsewhere_is_no_denial(stack: Stack) -> None:
    policy = document(tls_only("acme-prod-uploads"), allow("s3:GetObject", Principal={"AWS": "arn:aws:iam::1:role/x"}))
    stack.add(tokens.S3_POLICIES[0], "uploads-policy", {"bucket": "acme-prod-uploads", "policy": policy})

    assert stack.judge("s3-tls-only") == []
