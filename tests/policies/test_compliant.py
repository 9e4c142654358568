import pytest

from tests.policies.fixtures import COMPLIANT
from tests.policies.support import judge_all


@pytest.mark.parametrize("token", COMPLIANT)
def test_no_rule_finds_anything_in_a_compliant_resource(token: str) -> None:
    assert judge_all(token, COMPLIANT[token]) == {}
