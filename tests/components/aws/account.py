"""What the shared environment, the application's secrets and the tenants register on AWS, under mocks.

Schedules, services and alarms have tests of their own and are left out, so a run is short.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pulumi
from pulumi.runtime.stack import run_in_stack, wait_for_rpcs

from components import stack as operation
from components.environment import Environment, EnvironmentArgs
from components.guard import register_guard
from components.secrets import Secrets, SecretsArgs
from components.stack_outputs import guarded_resources, recreatable, registry
from components.tenant import create_tenants
from sandbox.cloud.store import CloudObject
from sandbox.mocks import SandboxMocks, boot
from tests.components.program import Built, Document, Edit, StackName, _await, external_value

ACCOUNT: Final = "123456789012"
HOME: Final = "eu-central-1"
AWAY: Final = "eu-west-1"
IMAGE: Final = f"{ACCOUNT}.dkr.ecr.{HOME}.amazonaws.com/tenantry/jobs@sha256:{'0' * 64}"

_BASE: Final[Document] = {
    "environment": {"organization": "ledgerly", "cost_centre": "cc-4100", "default_plan": "standard"},
    "aws": {"account_id": ACCOUNT, "region": HOME, "backup_region": AWAY, "jobs_image": IMAGE},
    "plans": {
        "standard": {"pool": "general"},
        "enterprise": {"placement": "dedicated", "files": "bucket", "connection_limit": 50},
    },
    "pools": {
        "general": {
            "capacity": 20,
            "availability": "REGIONAL",
            "pitr_days": 30,
            "retained_backups": 30,
            "maintenance_day": 7,
            "maintenance_hour": 23,
        }
    },
    "tenants": [{"id": "acme-co"}],
    "secrets": {"external": ["SMTP_PASSWORD"]},
    "monitoring": {"app_host": "app.ledgerly.example", "channels": {"email": ["ops@ledgerly.example"]}},
    "external_secrets": {"SMTP_PASSWORD": external_value("SMTP_PASSWORD")},
}
_NAMESPACE: Final = "tenantry:"


def base_document(stack: StackName) -> Document:
    """The sections of a stack with one pool and one tenant, a copy."""
    document = copy.deepcopy(_BASE)
    document["environment"]["name"] = stack
    if stack == "dev":
        document["backups"] = {"lock": False}
    return document


@functools.cache
def built(stack: StackName) -> Built:
    """One pool with one tenant; every caller gets the same run: do not change it."""
    return build(stack)


def build(
    stack: StackName,
    edit: Edit | None = None,
    *,
    previous: Mapping[str, Any] | None = None,
    final_exports: Iterable[str] | None = (),
) -> Built:
    """Run the shared part and the tenants.

    Args:
        stack: name of the environment, which decides floors and redundancy.
        edit: changes the sections in place.
        previous: outputs of the last deployment; None before the first.
        final_exports: ids of the tenants whose final export is proved by its marker; None where there is no bucket yet.
    """
    document = base_document(stack)
    if edit is not None:
        edit(document)
    answers = SandboxMocks(stack_outputs={f"organization/tenantry/{stack}": previous or {}})
    if final_exports is not None:
        _put_markers(answers, f"ledgerly-{stack}-exports", final_exports)
    config = {f"{_NAMESPACE}{key}": json.dumps(value) for key, value in document.items()}
    _await(lambda threads: _run(stack, answers, config, threads))
    return Built(stack, answers)


def _put_markers(answers: SandboxMocks, bucket: str, final_exports: Iterable[str]) -> None:
    """The exports bucket with the markers in it; the last deployment made it."""
    outputs = {"bucket": bucket, "region": AWAY}
    answers.cloud.store.put(
        CloudObject("aws:s3/bucket:Bucket", bucket, "", inputs=outputs, outputs=outputs, created="2026-01-01T00:00:00Z")
    )
    for tenant in final_exports:
        answers.cloud.put_object(bucket, f"final/{tenant}.json", "{}")


async def _run(stack: StackName, answers: SandboxMocks, config: dict[str, str], threads: ThreadPoolExecutor) -> None:
    asyncio.get_running_loop().set_default_executor(threads)
    boot(stack=stack, answers=answers)
    await wait_for_rpcs()
    pulumi.runtime.settings.ROOT.set(None)
    pulumi.runtime.set_all_config(config, [f"{_NAMESPACE}external_secrets"])
    await run_in_stack(_program)


def _program() -> None:
    previous = operation.read_previous()
    plan = operation.load_plan(previous)
    external = operation.external_secrets(plan)
    providers = operation.create_providers(plan.environment)
    plan = operation.lift_proved_guards(plan, previous, providers)
    guard = register_guard(previous, recreatable(plan))
    shared, opts = plan.environment, providers.opts
    clouds = Environment(shared.name, EnvironmentArgs(plan=plan, guard=guard), opts).clouds
    Secrets("app", SecretsArgs(environment=shared, clouds=clouds, external=external, guard=guard), opts)
    tenants = create_tenants(plan, clouds, external, guard, opts)
    pulumi.export("registry", registry(plan, previous))
    pulumi.export("guarded", guarded_resources(plan, previous, clouds, tenants))


def statements(text: str) -> dict[str, dict[str, Any]]:
    """The statements of a policy document by their ids."""
    found: dict[str, dict[str, Any]] = {}
    for statement in json.loads(text)["Statement"]:
        assert statement["Sid"] not in found
        found[statement["Sid"]] = statement
    return found


def role_statements(run: Built, role: str) -> dict[str, dict[str, Any]]:
    """What a role of the environment is allowed."""
    return statements(run.inputs("aws:iam/rolePolicy:RolePolicy", f"role-{role}-rights")["policy"])
