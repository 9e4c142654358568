"""Snapshots, exports and drills on AWS: vaults, what is kept and for how long, clocks, and the jobs' rights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from components.aws.backup_vault import snapshot_hour
from sandbox.mocks import Registration, SandboxMocks
from tests.components.aws.stack import ACCOUNT, AWAY, HOME, Raw, build, built, plan

VAULT = "aws:backup/vault:Vault"
LOCK = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
POLICY = "aws:backup/vaultPolicy:VaultPolicy"
PLAN = "aws:backup/plan:Plan"
SELECTION = "aws:backup/selection:Selection"
TEST_PLAN = "aws:backup/restoreTestingPlan:RestoreTestingPlan"
TESTED = "aws:backup/restoreTestingSelection:RestoreTestingSelection"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
SCHEDULE = "aws:scheduler/schedule:Schedule"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
QUEUE = "aws:sqs/queue:Queue"


@pytest.fixture(scope="module")
def stack() -> SandboxMocks:
    return built()


@pytest.fixture(scope="module")
def dev() -> SandboxMocks:
    """A development environment that locks nothing."""

    def unlocked(raw: Raw) -> None:
        raw["environment"]["name"] = "dev"
        raw["backups"] = {"lock": False}

    return build(unlocked)


def rights(mocks: SandboxMocks, name: str) -> dict[str, dict[str, Any]]:
    policy = json.loads(mocks.one(ROLE_POLICY, name).inputs["policy"])
    return {item["Sid"]: item for item in policy["Statement"]}


def waits_for(registration: Registration) -> set[str]:
    return {urn.rpartition("::")[2] for urn in registration.dependencies}


class TestVaults:
    def test_one_at_home_and_one_away_each_under_a_key_of_its_region(self, stack: SandboxMocks) -> None:
        keys = {item.outputs["arn"]: item.name for item in stack.of("aws:kms/key:Key")}
        found = {item.name: (item.inputs["region"], keys[item.inputs["kmsKeyArn"]]) for item in stack.of(VAULT)}
        assert found == {
            "vault-home": (HOME, f"key-backup-{HOME}"),
            "vault-copies": (AWAY, f"key-backup-{AWAY}"),
        }
        assert {item.inputs["name"] for item in stack.of(VAULT)} == {"ledgerly-prod"}
        assert all(item.protect and item.inputs["forceDestroy"] is False for item in stack.of(VAULT))

    def test_governance_is_the_default(self, stack: SandboxMocks) -> None:
        assert {item.name: dict(item.inputs) for item in stack.of(LOCK)} == {
            "vault-home-lock": {"backupVaultName": "ledgerly-prod", "minRetentionDays": 30, "region": HOME},
            "vault-copies-lock": {"backupVaultName": "ledgerly-prod", "minRetentionDays": 30, "region": AWAY},
        }

    def test_compliance_only_by_its_own_flag(self) -> None:
        final = build(lambda raw: raw.update(backups={"compliance_vault": True}))
        assert [item.inputs["changeableForDays"] for item in final.of(LOCK)] == [3, 3]
        # the deletion of a former lock would take the new one off the same vault
        assert [item.delete_before_replace for item in final.of(LOCK)] == [True, True]

    def test_nobody_deletes_before_the_time(self, stack: SandboxMocks) -> None:
        assert {item.name for item in stack.of(POLICY)} == {"vault-home-policy", "vault-copies-policy"}
        for item in stack.of(POLICY):
            (statement,) = json.loads(item.inputs["policy"])["Statement"]
            assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
            assert {"backup:DeleteRecoveryPoint", "backup:UpdateRecoveryPointLifecycle"} < set(statement["Action"])
            assert statement["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:root"}}

    def test_what_locks_nothing_has_vaults_without_locks(self, dev: SandboxMocks) -> None:
        assert len(dev.of(VAULT)) == 2
        assert dev.of(LOCK) == dev.of(POLICY) == []


class TestSnapshots:
    def test_daily_kept_as_long_as_anybody_asks_and_copied(self, stack: SandboxMocks) -> None:
        (rule,) = stack.one(PLAN).inputs["rules"]
        assert rule["schedule"] == "cron(0 4 * * ? *)"
        assert rule["scheduleExpressionTimezone"] == "Etc/UTC"
        assert (rule["startWindow"], rule["completionWindow"]) == (60, 600)
        assert rule["targetVaultName"] == "ledgerly-prod"
        # the pool's 35 days, not the 30 of the dedicated instance; no cold storage
        assert rule["lifecycle"] == {"deleteAfter": 35}
        assert rule["copyActions"] == [
            {
                "destinationVaultArn": f"arn:aws:backup:{AWAY}:{ACCOUNT}:backup-vault:ledgerly-prod",
                "lifecycle": {"deleteAfter": 35},
            }
        ]
        assert waits_for(stack.one(PLAN)) >= {"vault-home-lock", "vault-copies-lock", "vault-copies"}

    def test_every_instance_is_named(self, stack: SandboxMocks) -> None:
        selection = stack.one(SELECTION)
        arn = f"arn:aws:rds:{HOME}:{ACCOUNT}:db:ledgerly-prod"
        assert selection.inputs["resources"] == [f"{arn}-pool-main-1", f"{arn}-t-granite-1"]
        # each has exactly the ARN of an instance, and waits for it
        assert {item.outputs["arn"] for item in stack.of("aws:rds/instance:Instance")} == set(
            selection.inputs["resources"]
        )
        assert waits_for(selection) >= {"pool-main-instance", "tenant-granite-instance"}

    def test_the_service_has_a_role_of_its_own(self, stack: SandboxMocks) -> None:
        role = stack.one("aws:iam/role:Role", "snapshots-role")
        (trust,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        assert trust["Principal"] == {"Service": "backup.amazonaws.com"}
        assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
        attached = stack.of("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
        assert {item.inputs["policyArn"] for item in attached if item.inputs["role"] == role.inputs["name"]} == {
            "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup",
            "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores",
        }

    def test_without_instances_there_is_nothing_to_take(self) -> None:
        def guests_only(raw: Raw) -> None:
            del raw["pools"]
            raw["plans"] = {"standard": {"kind": "external"}}
            raw["tenants"] = [{"id": "guest"}]

        guests = build(guests_only)
        assert len(guests.of(VAULT)) == 2
        assert guests.of(PLAN) == guests.of(SELECTION) == guests.of(TEST_PLAN) == []
        assert {item.name for item in guests.of(SCHEDULE)} >= {"export-job-schedule", "drill-job-schedule"}

    @pytest.mark.parametrize(
        ("windows", "hour"),
        [
            # the hours before and of the native backup and of maintenance are taken: 0, 1, 2, 3
            ([(1, 3)], 4),
            ([(1, 10)], 2),
            ([(1, 10), (3, 10)], 4),
            ([(23, 2)], 0),
            ([(22, 0)], 1),
            # every hour is somebody's
            ([(hour, hour) for hour in range(0, 24, 2)], 2),
        ],
    )
    def test_the_hour_is_free_on_every_instance(self, windows: list[tuple[int, int]], hour: int) -> None:
        one = plan().instances[0]
        instances = [replace(one, backup_hour=backup, maintenance_hour=upkeep) for backup, upkeep in windows]
        assert snapshot_hour(instances) == hour


class TestRestoreTest:
    def test_weekly_from_the_newest_snapshot(self, stack: SandboxMocks) -> None:
        inputs = stack.one(TEST_PLAN).inputs
        assert inputs["name"] == "ledgerly_prod"
        assert inputs["scheduleExpression"] == "cron(0 4 ? * SUN *)"
        assert inputs["scheduleExpressionTimezone"] == "Etc/UTC"
        assert inputs["recoveryPointSelection"] == {
            "algorithm": "LATEST_WITHIN_WINDOW",
            "includeVaults": [f"arn:aws:backup:{HOME}:{ACCOUNT}:backup-vault:ledgerly-prod"],
            "recoveryPointTypes": ["SNAPSHOT"],
            "selectionWindowDays": 7,
        }

    def test_the_scratch_instance_is_private_and_alone(self, stack: SandboxMocks) -> None:
        group = stack.one("aws:ec2/securityGroup:SecurityGroup", "restore-test-group")
        assert group.inputs["ingress"] == group.inputs["egress"] == []
        tested = stack.one(TESTED).inputs
        assert tested["protectedResourceType"] == "RDS"
        assert tested["restoreMetadataOverrides"] == {
            "dbSubnetGroupName": "ledgerly-prod",
            "multiAz": "false",
            "publiclyAccessible": "false",
            "vpcSecurityGroupIds": f'["{group.id}"]',
        }
        rules = [
            *stack.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"),
            *stack.of("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"),
        ]
        assert group.id not in {item.inputs["securityGroupId"] for item in rules}


class TestJobs:
    @pytest.mark.parametrize(
        ("name", "module", "role", "size"),
        [
            ("export", "jobs.export", "backup", ("2048", "8192", 200)),
            ("drill", "jobs.drill", "backup", ("2048", "8192", 200)),
            ("watch", "jobs.watch", "watch", ("512", "1024", None)),
        ],
    )
    def test_tasks(
        self, stack: SandboxMocks, name: str, module: str, role: str, size: tuple[str, str, int | None]
    ) -> None:
        inputs = stack.one(TASK, f"{name}-job-task").inputs
        disk = inputs.get("ephemeralStorage", {}).get("sizeInGib")
        assert (inputs["cpu"], inputs["memory"], disk) == size
        assert inputs["taskRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/ledgerly-prod-{role}"
        (container,) = json.loads(inputs["containerDefinitions"])
        assert container["command"] == ["-m", module]
        # a run takes all databases, one after the other; a report reads names and times
        assert container["entryPoint"][2] == ("1800" if name == "watch" else "14400")
        assert container["image"] == plan().environment.aws.jobs_image
        # what needs no disk of its own has none to write to
        assert container["readonlyRootFilesystem"] is (disk is None)
        variables = {item["name"]: item["value"] for item in container["environment"]}
        assert variables == {
            "TENANTRY_CLOUD": "aws",
            "TENANTRY_EXPORTS": "ledgerly-prod-exports",
            "TENANTRY_EXPORTS_REGION": AWAY,
            "TENANTRY_REGION": HOME,
            "TENANTRY_REGISTRY": "ledgerly-prod-registry",
        }
        assert container["logConfiguration"]["options"]["awslogs-group"] == "/tenantry/prod/jobs"

    def test_clocks(self, stack: SandboxMocks) -> None:
        found = {
            item.inputs["name"]: (item.inputs["scheduleExpression"], item.inputs["scheduleExpressionTimezone"])
            for item in stack.of(SCHEDULE)
            if item.name != "sql-job-schedule"
        }
        assert found == {
            "ledgerly-prod-export": ("cron(0 2 * * ? *)", "Etc/UTC"),
            "ledgerly-prod-drill": ("cron(0 4 ? * SUN *)", "Etc/UTC"),
            "ledgerly-prod-watch": ("cron(23 * * * ? *)", "Etc/UTC"),
        }

    def test_clocks_follow_the_configuration(self) -> None:
        backups = {"export_schedule": "30 1 * * *", "drill_schedule": "0 5 * * 6", "time_zone": "Asia/Kolkata"}
        stack = build(lambda raw: raw.update(backups=backups))
        found = {
            item.name: (item.inputs["scheduleExpression"], item.inputs["scheduleExpressionTimezone"])
            for item in stack.of(SCHEDULE)
        }
        assert found["export-job-schedule"] == ("cron(30 1 * * ? *)", "Asia/Kolkata")
        assert found["drill-job-schedule"] == ("cron(0 5 ? * SAT *)", "Asia/Kolkata")
        assert found["watch-job-schedule"] == ("cron(23 * * * ? *)", "Etc/UTC")
        assert stack.one(TEST_PLAN).inputs["scheduleExpressionTimezone"] == "Asia/Kolkata"

    def test_they_run_in_private_and_a_failed_start_is_kept(self, stack: SandboxMocks) -> None:
        groups = {item.name: item.id for item in stack.of("aws:ec2/securityGroup:SecurityGroup")}
        private = {item.id for item in stack.of("aws:ec2/subnet:Subnet") if item.name.startswith("private-")}
        for name, group in (("export", "backup"), ("drill", "backup"), ("watch", "watch")):
            schedule = stack.one(SCHEDULE, f"{name}-job-schedule")
            target = schedule.inputs["target"]
            assert target["arn"] == f"arn:aws:ecs:{HOME}:{ACCOUNT}:cluster/ledgerly-prod"
            assert target["roleArn"] == f"arn:aws:iam::{ACCOUNT}:role/ledgerly-prod-scheduler"
            task: Mapping[str, Any] = target["ecsParameters"]
            # the newest revision
            assert task["taskDefinitionArn"] == (f"arn:aws:ecs:{HOME}:{ACCOUNT}:task-definition/ledgerly-prod-{name}")
            network = task["networkConfiguration"]
            assert network["assignPublicIp"] is False
            assert network["securityGroups"] == [groups[f"group-{group}"]]
            assert set(network["subnets"]) == private
            assert len(private) == 2
            assert target["deadLetterConfig"] == {
                "arn": f"arn:aws:sqs:{HOME}:{ACCOUNT}:ledgerly-prod-schedules-dead-letters"
            }
            assert target["retryPolicy"] == {"maximumEventAgeInSeconds": 3600, "maximumRetryAttempts": 3}
            assert waits_for(schedule) >= {f"{group}-job-rights", "schedules-dead-letters", "scheduler-dead-letters"}

    def test_failed_starts_wait_two_weeks_encrypted(self, stack: SandboxMocks) -> None:
        queue = stack.one(QUEUE)
        keys = {item.outputs["arn"]: item.name for item in stack.of("aws:kms/key:Key")}
        assert queue.inputs["messageRetentionSeconds"] == 1_209_600
        assert keys[queue.inputs["kmsMasterKeyId"]] == f"key-logs-{HOME}"
        found = rights(stack, "scheduler-dead-letters")
        assert found["KeepFailedStarts"]["Resource"] == queue.outputs["arn"]
        assert found["EncryptFailedStarts"]["Condition"]["StringEquals"] == {
            "kms:ViaService": f"sqs.{HOME}.amazonaws.com"
        }


class TestRights:
    def test_the_backup_adds_and_reads_but_deletes_nothing(self, stack: SandboxMocks) -> None:
        found = rights(stack, "backup-job-rights")
        exports, registry = "arn:aws:s3:::ledgerly-prod-exports", "arn:aws:s3:::ledgerly-prod-registry"
        keys = ["kms:Decrypt", "kms:GenerateDataKey"]
        assert {
            sid: (item["Action"], item["Resource"])
            for sid, item in found.items()
            if sid not in {"ReadGuestUrls", "DecryptGuestUrls"}
        } == {
            "ListExports": ("s3:ListBucket", exports),
            "AddExports": (
                ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
                [f"{exports}/dump/*", f"{exports}/final/*"],
            ),
            "EncryptExports": (keys, f"arn:aws:kms:{AWAY}:{ACCOUNT}:key/*"),
            "ListRegistryVersions": ("s3:ListBucketVersions", registry),
            "KeepDrills": ("s3:PutObject", f"{registry}/drills/tenants/*"),
            "EncryptDrills": (keys, f"arn:aws:kms:{HOME}:{ACCOUNT}:key/*"),
        }
        for sid, region in (("EncryptExports", AWAY), ("EncryptDrills", HOME)):
            assert found[sid]["Condition"]["StringEquals"] == {"kms:ViaService": f"s3.{region}.amazonaws.com"}

    def test_guests_urls_are_read_where_there_are_guests(self, stack: SandboxMocks) -> None:
        found = rights(stack, "backup-job-rights")
        secret = f"arn:aws:secretsmanager:{HOME}:{ACCOUNT}:secret:tenant-*"
        assert found["ReadGuestUrls"]["Resource"] == [f"{secret}-backup-url-??????", f"{secret}-database-url-??????"]

        def without(raw: Raw) -> None:
            raw["tenants"] = [tenant for tenant in raw["tenants"] if tenant["id"] != "guest"]

        assert "ReadGuestUrls" not in rights(build(without), "backup-job-rights")

    def test_the_watch_sees_names_and_times(self, stack: SandboxMocks) -> None:
        found = rights(stack, "watch-job-rights")
        assert {sid: item["Action"] for sid, item in found.items()} == {
            "ListExports": "s3:ListBucket",
            "ListRegistryVersions": "s3:ListBucketVersions",
            "ListSecrets": "secretsmanager:ListSecrets",
            "ListSecretVersions": "secretsmanager:ListSecretVersionIds",
        }
