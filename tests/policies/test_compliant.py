import pytest

from tests.policies.aws import fixtures as aws
from tests.policies.gcp import fixtures as gcp
from tests.policies.support import Props, judge_all
from tests.policies.test_vercel import COMPLIANT as VERCEL

COMPLIANT = {**gcp.COMPLIANT, **aws.COMPLIANT, **VERCEL}


@pytest.mark.parametrize(("token", "props"), COMPLIANT.items(), ids=COMPLIANT)
def test_no_rule_finds_anything_in_a_compliant_resource(token: str, props: Props) -> None:
    assert judge_all(token, props, protect=token in aws.PROTECTED) == {}
