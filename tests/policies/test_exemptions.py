import datetime as dt
from pathlib import Path

import pytest

from policies.frame.exemption import _HINTS
from policies.frame.exemptions import Exemptions, load
from policies.frame.index import STACK
from policies.gcp.tokens import BUCKET
from policies.pack import EXEMPTIONS_FILE, RULES, exemption_rule
from tests.policies.gcp.fixtures import COMPLIANT
from tests.policies.support import UNSET, Stack, changed, judge, run

TODAY = dt.date(2026, 6, 15)
RULE = "bucket-soft-delete"
BROKEN = changed(COMPLIANT[BUCKET], "softDeletePolicy", UNSET)
FINDING = "softDeletePolicy.retentionDurationSeconds is not set; it must be a literal at least 604800 s"
GOOD = {
    "rule": RULE,
    "resource": f"urn:pulumi:prod::tenantry::{BUCKET}::subject",
    "reason": "Scratch data of the load test",
    "owner": "platform-team",
    "expires": "2026-06-15",
}


def _load(tmp_path: Path, text: str) -> Exemptions:
    path = tmp_path / "exemptions.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, {rule.name for rule in RULES}, TODAY)


def _entry(tmp_path: Path, **changes: object) -> Exemptions:
    fields = {key: value for key, value in (GOOD | changes).items() if value is not UNSET}
    return _load(tmp_path, f"exemptions: [{fields}]")


def test_an_exemption_holds_to_the_end_of_its_last_day(tmp_path: Path) -> None:
    exemptions = _entry(tmp_path)

    assert exemptions.problems == ()
    assert judge(RULE, BUCKET, BROKEN, exemptions=exemptions) == []


def test_an_exemption_covers_no_other_rule_and_no_other_resource(tmp_path: Path) -> None:
    exemptions = _entry(tmp_path)
    both = changed(BROKEN, "publicAccessPrevention", UNSET)

    assert judge("bucket-public-access", BUCKET, both, exemptions=exemptions) == [
        "publicAccessPrevention is not set; it must be literally enforced"
    ]
    assert judge(RULE, BUCKET, BROKEN, name="other", exemptions=exemptions) == [FINDING]


@pytest.mark.parametrize(
    ("pattern", "covered"),
    [
        ("urn:pulumi:prod::tenantry::*::sub*", True),
        ("urn:pulumi:prod::*::subject", True),
        ("urn:pulumi:prod::tenantry::*::subjec[st]", True),
        ("urn:pulumi:dev::tenantry::*::sub*", False),
        ("urn:pulumi:prod::tenantry::*::Subject", False),
    ],
)
def test_a_resource_may_be_a_pattern(tmp_path: Path, pattern: str, covered: bool) -> None:
    found = judge(RULE, BUCKET, BROKEN, exemptions=_entry(tmp_path, resource=pattern))

    assert found == ([] if covered else [FINDING])


def test_an_expired_exemption_is_a_violation_and_exempts_nothing(tmp_path: Path) -> None:
    exemptions = _entry(tmp_path, expires="2026-06-14")

    (rule,) = (rule for rule in RULES if rule.name == RULE)
    assert run(rule, BUCKET, BROKEN, exemptions=exemptions) == [  # type: ignore[arg-type]
        f"{FINDING}. {rule.remediation} (The exemption owned by platform-team expired on 2026-06-14.)"
    ]
    assert run(exemption_rule(exemptions), STACK, {}) == [
        (
            f"exemptions.yaml: exemptions[0]: the exemption from {RULE} expired on 2026-06-14; platform-team must "
            "repair the resource, or renew or remove the entry. Repair policies/exemptions.yaml."
        )
    ]


def test_the_later_of_two_exemptions_counts(tmp_path: Path) -> None:
    exemptions = _load(tmp_path, f"exemptions: [{GOOD}, {GOOD | {'expires': '2026-01-01'}}]")

    assert judge(RULE, BUCKET, BROKEN, exemptions=exemptions) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"rule": "no-such-rule"}, ".rule: there is no rule no-such-rule that can be exempted; see docs/policies.md"),
        (
            {"rule": "exemption-valid"},
            ".rule: there is no rule exemption-valid that can be exempted; see docs/policies.md",
        ),
        *(
            (
                {"resource": pattern},
                f".resource: {_HINTS['resource']}",
            )
            for pattern in ("*", "subject", "urn:pulumi:*::tenantry::*::subject", "urn:pulumi:prod::tenantry::x:y:z::*")
        ),
        ({"reason": "because"}, ".reason: say in at least 15 characters why the rule cannot hold here"),
        ({"owner": UNSET}, ".owner: Field required"),
        ({"expires": "soon"}, ".expires: write the last day as YYYY-MM-DD"),
        ({"expires": UNSET}, ".expires: write the last day as YYYY-MM-DD"),
        ({"expires": "2027-06-17"}, ".expires: 2027-06-17 is more than 366 days ahead; shorten it"),
        ({"colour": "red"}, ".colour: Extra inputs are not permitted"),
    ],
)
def test_an_entry_that_cannot_be_used_is_a_violation_and_exempts_nothing(
    tmp_path: Path, changes: dict[str, object], problem: str
) -> None:
    exemptions = _entry(tmp_path, **changes)

    assert exemptions.problems == (f"exemptions.yaml: exemptions[0]{problem}",)
    assert judge(RULE, BUCKET, BROKEN, exemptions=exemptions) == [FINDING]


@pytest.mark.parametrize("text", ["", "[]", "exemptions:", "exemptions: {}", "exemptions: []\nothers: []"])
def test_a_file_of_another_shape_is_a_violation(tmp_path: Path, text: str) -> None:
    assert _load(tmp_path, text).problems == ("exemptions.yaml must hold one key, exemptions, with a list",)


def test_a_file_that_is_no_yaml_or_is_not_there_is_a_violation(tmp_path: Path) -> None:
    assert _load(tmp_path, "exemptions: [").problems == ("exemptions.yaml cannot be read (ParserError); restore it",)
    assert load(tmp_path / "gone.yaml", set(), TODAY).problems == (
        "gone.yaml cannot be read (FileNotFoundError); restore it",
    )


def test_a_finding_about_the_whole_stack_is_exempted_by_the_stacks_own_urn(tmp_path: Path) -> None:
    stack = Stack()
    stack.add("gcp:compute/network:Network", "network", {})
    exemptions = _entry(
        tmp_path, rule="audit-trail", resource="urn:pulumi:prod::tenantry::pulumi:pulumi:Stack::tenantry-prod"
    )

    assert len(stack.judge("audit-trail")) == 3
    assert stack.judge("audit-trail", exemptions=exemptions) == []


def test_the_repositorys_own_exemptions_can_be_read() -> None:
    problems = load(EXEMPTIONS_FILE, {rule.name for rule in RULES}, dt.date.min).problems

    assert [problem for problem in problems if "days ahead" not in problem] == []
