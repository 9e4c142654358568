"""Tasks of the jobs image: how they are confined, and when the SQL job starts."""

from __future__ import annotations

import json
from typing import Any

from tests.components.aws.account import ACCOUNT, AWAY, HOME, IMAGE, built

TASK = "aws:ecs/taskDefinition:TaskDefinition"
SCHEDULE = "aws:scheduler/schedule:Schedule"
CLUSTER = "aws:ecs/cluster:Cluster"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"


def _container() -> dict[str, Any]:
    (container,) = json.loads(built("dev").inputs(TASK, "sql-job-task")["containerDefinitions"])
    assert isinstance(container, dict)
    return container


def test_the_sql_job_runs_as_its_own_role_on_fargate() -> None:
    task = built("dev").inputs(TASK, "sql-job-task")
    assert task["family"] == "ledgerly-dev-sql"
    assert task["requiresCompatibilities"] == ["FARGATE"]
    assert task["networkMode"] == "awsvpc"
    assert task["taskRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/ledgerly-dev-sqljob"
    assert task["executionRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/ledgerly-dev-execution"
    waits = built("dev").waits_for(TASK, "sql-job-task")
    assert {"role-sqljob", "role-sqljob-rights", "role-execution", "role-execution-rights", "task-logs"} <= waits


def test_a_task_is_confined_and_ends_in_time() -> None:
    container = _container()
    assert container["image"] == IMAGE
    assert container["command"] == ["-m", "jobs.sql", "apply"]
    assert container["entryPoint"] == ["timeout", "--kill-after=30", "7200", "python"]
    assert container["readonlyRootFilesystem"] is True
    assert container["user"] == "10001"
    assert container["linuxParameters"] == {"capabilities": {"drop": ["ALL"]}, "initProcessEnabled": True}
    assert "secrets" not in container


def test_a_task_learns_where_it_is() -> None:
    assert {each["name"]: each["value"] for each in _container()["environment"]} == {
        "TENANTRY_CLOUD": "aws",
        "TENANTRY_EXPORTS": "ledgerly-dev-exports",
        "TENANTRY_EXPORTS_REGION": AWAY,
        "TENANTRY_REGION": HOME,
        "TENANTRY_REGISTRY": "ledgerly-dev-registry",
    }


def test_a_task_logs_to_an_encrypted_group() -> None:
    run = built("dev")
    assert _container()["logConfiguration"] == {
        "logDriver": "awslogs",
        "options": {
            "awslogs-group": "/tenantry/dev/jobs",
            "awslogs-region": HOME,
            "awslogs-stream-prefix": "sql",
        },
    }
    group = run.inputs(LOG_GROUP, "task-logs")
    assert (group["name"], group["retentionInDays"]) == ("/tenantry/dev/jobs", 90)
    assert group["kmsKeyId"] == run.mocks.one("aws:kms/key:Key", f"key-logs-{HOME}").outputs["arn"]


def test_the_sql_job_starts_every_ten_minutes_inside_the_network() -> None:
    run = built("dev")
    schedule = run.inputs(SCHEDULE, "sql-job-schedule")
    assert schedule["scheduleExpression"] == "cron(0,10,20,30,40,50 * * * ? *)"
    assert schedule["scheduleExpressionTimezone"] == "Etc/UTC"
    assert schedule["state"] == "ENABLED"
    target = schedule["target"]
    assert target["arn"] == f"arn:aws:ecs:{HOME}:{ACCOUNT}:cluster/ledgerly-dev"
    assert target["roleArn"] == f"arn:aws:iam::{ACCOUNT}:role/ledgerly-dev-scheduler"
    parameters = target["ecsParameters"]
    assert parameters["taskDefinitionArn"] == f"arn:aws:ecs:{HOME}:{ACCOUNT}:task-definition/ledgerly-dev-sql"
    assert parameters["launchType"] == "FARGATE"
    assert parameters["enableExecuteCommand"] is False
    network = parameters["networkConfiguration"]
    assert network["assignPublicIp"] is False
    assert network["securityGroups"] == [run.mocks.one("aws:ec2/securityGroup:SecurityGroup", "group-sqljob").id]
    assert network["subnets"] == [run.mocks.one("aws:ec2/subnet:Subnet", f"private-{HOME}{zone}").id for zone in "ab"]
    waits = run.waits_for(SCHEDULE, "sql-job-schedule")
    assert {"sql-job-task", "cluster", "role-scheduler", "role-scheduler-rights"} <= waits
    assert {f"private-{HOME}a-internet", f"private-{HOME}b-internet", "storage-endpoint"} <= waits


def test_the_cluster_reports_on_its_containers() -> None:
    cluster = built("dev").inputs(CLUSTER, "cluster")
    assert cluster["name"] == "ledgerly-dev"
    assert cluster["settings"] == [{"name": "containerInsights", "value": "enabled"}]
