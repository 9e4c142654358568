"""What the rules read is what the installed SDKs send: a misspelt name would never find anything wrong."""

from typing import Any

import pytest

from policies.aws.encryption import KEY_PATHS
from policies.aws.tokens import LISTENERS, S3_ACLS, S3_BUCKETS, S3_LIFECYCLES, S3_LOCKS
from policies.frame.resources import Resource
from policies.frame.values import UNKNOWN as NOT_KNOWN
from policies.frame.values import thaw
from policies.pack import RESOURCE_RULES
from sandbox.cloud.errors import NotSimulatedError
from sandbox.cloud.schema import check_inputs, resource_type
from sandbox.cloud.values import UNKNOWN
from tests.policies.aws.test_stack_rules import stack as aws_stack
from tests.policies.gcp.test_firestore import stack as firestore_stack
from tests.policies.support import Props, Stack, changed
from tests.policies.test_compliant import COMPLIANT
from tests.policies.test_stack_rules import stack as gcp_stack
from tests.policies.test_tenants import stack as tenants_stack

pytestmark = pytest.mark.filterwarnings(r"ignore:gcp\.\w+\.\w+ has been deprecated:DeprecationWarning")

# Former names, which live on as aliases of a class and in old state files.
_FORMER = {*LISTENERS[2:], *(tokens[1] for tokens in (S3_ACLS, S3_BUCKETS, S3_LIFECYCLES, S3_LOCKS))}
_TOKENS = {token for rule in RESOURCE_RULES for token in rule.tokens if "*" not in token}
_CLOUDS = ("aws:", "gcp:", "vercel:")


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON-like
    """Numbers as the sandbox has them, and its own mark for what is not known."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return UNKNOWN if value is NOT_KNOWN else value


def _failures(token: str, props: Props) -> list[str]:
    """What the SDK does not declare. A fixture leaves out required properties, as it holds only what rules read."""
    failures = check_inputs(token, _plain(thaw(props)))
    return [f"{found.path}: {found.reason}" for found in failures if "missing required" not in found.reason]


@pytest.mark.parametrize(("token", "props"), COMPLIANT.items(), ids=COMPLIANT)
def test_a_fixture_is_what_the_sdk_declares(token: str, props: Props) -> None:
    assert _failures(token, props) == []


@pytest.mark.parametrize("token", sorted(_TOKENS - _FORMER))
def test_a_rule_is_about_a_type_that_exists(token: str) -> None:
    assert resource_type(token).token == token


def test_a_name_that_does_not_exist_would_be_found() -> None:
    with pytest.raises(NotSimulatedError):
        resource_type("aws:rds/instance:Instanz")
    (failure,) = _failures("aws:rds/instance:Instance", {"publiclyAccesible": False})
    assert failure.startswith("publiclyAccesible: unknown property")


@pytest.mark.parametrize("token", sorted(KEY_PATHS))
def test_a_store_names_its_key_where_the_rule_looks(token: str) -> None:
    assert _failures(token, changed({}, KEY_PATHS[token], "key")) == []


@pytest.mark.parametrize("fixture", [aws_stack, firestore_stack, gcp_stack, tenants_stack])
def test_a_stack_is_what_the_sdk_declares(fixture: Any) -> None:  # noqa: ANN401 - pytest wraps the function
    whole: Stack = fixture.__wrapped__()
    found = {
        resource.name: _failures(resource.resource_type, Resource.of(resource).props)
        for resource in whole.resources.values()
        if resource.resource_type.startswith(_CLOUDS)
    }
    assert {name: failures for name, failures in found.items() if failures} == {}
