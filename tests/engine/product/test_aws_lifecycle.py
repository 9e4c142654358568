"""A stack on AWS through the whole life of its tenants: the project's own program, its policies, the real engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.components.aws.account import base_document

if TYPE_CHECKING:
    from sandbox.operations import Sandbox
    from sandbox.workspace import StackConfig
    from tests.engine.conftest import SandboxFactory

SHARED, DEDICATED = "acme-co", "big-bank"
EXPORTS = "ledgerly-dev-exports"
KEPT = {"aws:kms/key:Key", "aws:s3/bucket:Bucket", "aws:s3/bucketPolicy:BucketPolicy", "aws:cloudtrail/trail:Trail"}


class Stack:
    """One simulated account, with the tenants that are declared at the moment."""

    def __init__(self, factory: SandboxFactory) -> None:
        self.factory = factory
        self.states = dict.fromkeys((SHARED, DEDICATED), "active")
        self.first = factory("dev", fast=True, edit=self._edit)

    def sandbox(self) -> Sandbox:
        return self.factory("dev", fast=True, edit=self._edit, home=self.first.layout.home)

    def _edit(self, config: StackConfig) -> None:
        document = base_document("dev")
        del document["external_secrets"], document["secrets"]
        plans: dict[str, dict[str, Any]] = {SHARED: {}, DEDICATED: {"plan": "enterprise"}}
        document["tenants"] = [{"id": name, "state": state, **plans[name]} for name, state in self.states.items()]
        for key in [key for key in config if key.startswith("tenantry:")]:
            del config[key]
        config.update({f"tenantry:{section}": value for section, value in document.items()})


def names(sandbox: Sandbox, token: str) -> set[str]:
    return {
        item["urn"].rpartition("::")[2] for item in sandbox.export()["deployment"]["resources"] if item["type"] == token
    }


@pytest.fixture
def stack(sandbox_factory: SandboxFactory) -> Stack:
    return Stack(sandbox_factory)


def test_tenants_on_aws_come_and_go_and_only_data_stays(stack: Stack) -> None:
    instance = "aws:rds/instance:Instance"
    stack.sandbox().up().require()
    assert stack.sandbox().preview().require().changed == ()
    assert names(stack.sandbox(), instance) == {"pool-general-instance", f"tenant-{DEDICATED}-instance"}

    # an entry that is taken away is refused, though the shared tenant's database is no resource
    stack.states = {DEDICATED: "active"}
    assert f"tenant '{SHARED}' is active and its entry is gone" in stack.sandbox().preview().errors

    stack.states = dict.fromkeys((SHARED, DEDICATED), "offboarding")
    stack.sandbox().up().require()
    with stack.sandbox().cloud() as cloud:
        for tenant in stack.states:
            cloud.put_object(EXPORTS, f"final/{tenant}.json", "{}")
    stack.sandbox().up().require()
    stack.states = {}
    stack.sandbox().up().require()
    assert names(stack.sandbox(), instance) == {"pool-general-instance"}
    assert names(stack.sandbox(), "aws:secretsmanager/secret:Secret") == {
        "app-jwt-secret",
        "app-jwt-refresh-secret",
        "app-nextauth-secret",
    }

    stack.sandbox().destroy().require()
    left = {item["type"] for item in stack.sandbox().export()["deployment"]["resources"]}
    assert left >= KEPT
    assert instance not in left
