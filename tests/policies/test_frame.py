"""The frame: whatever a rule meets, the answer is a judgement and never silence."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping

import pytest
from pulumi_policy import ResourceValidationPolicy, StackValidationArgs, StackValidationPolicy
from pulumi_policy.proxy import unknown_checking_proxy

from policies.frame import expect
from policies.frame.bridge import to_policy
from policies.frame.exemption import Exemption
from policies.frame.exemptions import Exemptions
from policies.frame.index import Index
from policies.frame.resources import Resource
from policies.frame.rules import (
    Config,
    ConfigError,
    Family,
    Finding,
    ResourcePolicy,
    ResourceRule,
    Setting,
    Severity,
    StackPolicy,
    StackRule,
)
from policies.frame.values import ABSENT, UNKNOWN, items, read, thaw
from tests.policies.support import (
    NO_EXEMPTIONS,
    UNKNOWN_NUMBER_VALUE,
    UNKNOWN_OBJECT_VALUE,
    UNKNOWN_STRING_VALUE,
    Stack,
    judge,
    judge_all,
    resource_args,
    run,
    urn,
)
from tests.policies.test_compliant import COMPLIANT

_BUCKET = "gcp:storage/bucket:Bucket"
_FLOOR = Setting(name="minDays", default=30, minimum=7, maximum=90, description="Days.")
_LOCK = Setting(name="lock", default=True, description="Lock.")
_NAMES = Setting(name="names", default=(), description="Names.")


def _rule(check: object, *settings: Setting) -> ResourceRule:
    return ResourceRule(
        name="example",
        family=Family.RETENTION,
        refuses="An example.",
        severity=Severity.LOW,
        remediation="Fix it.",
        requirements=("R8.2",),
        settings=settings,
        tokens=(_BUCKET,),
        check=check,  # type: ignore[arg-type]
    )


def test_reading_tells_values_absence_and_the_unknown_apart() -> None:
    props = thaw(
        unknown_checking_proxy(
            {
                "off": False,
                "zero": 0.0,
                "empty": "",
                "none": None,
                "later": UNKNOWN_STRING_VALUE,
                "object": UNKNOWN_OBJECT_VALUE,
                "list": [1.0, UNKNOWN_NUMBER_VALUE, {"deep": UNKNOWN_STRING_VALUE, "half": 0.5}],
            }
        )
    )

    assert read(props, "off") is False
    assert read(props, "zero") == 0
    assert type(read(props, "zero")) is int
    assert read(props, "empty") == ""
    assert read(props, "none") is ABSENT
    assert read(props, "missing") is ABSENT
    assert read(props, "missing.below") is ABSENT
    assert read(props, "off.below") is ABSENT
    assert read(props, "later") is UNKNOWN
    assert read(props, "object.below.it") is UNKNOWN
    assert items(props, "list") == [1, UNKNOWN, {"deep": UNKNOWN, "half": 0.5}]
    assert items(props, "missing") is ABSENT
    assert items(props, "object") is UNKNOWN
    with pytest.raises(TypeError, match="off is not a list"):
        items(props, "off")


def test_a_rule_that_breaks_is_a_violation_which_names_the_rule_and_hides_the_reason() -> None:
    def check(_: Resource, __: Config) -> Iterator[str]:
        yield "the first finding"
        raise RuntimeError("hunter2")

    assert run(_rule(check), _BUCKET, {}) == [
        "the first finding. Fix it.",
        "the rule could not be evaluated (RuntimeError), so it refuses. Fix it.",
    ]


def test_a_stack_rule_that_breaks_is_a_violation_of_the_stack() -> None:
    def check(_: Index, __: Config) -> list[Finding]:
        raise KeyError("hunter2")

    rule = StackRule(
        name="example",
        family=Family.COMPLETENESS,
        refuses="An example.",
        severity=Severity.LOW,
        remediation="Fix it.",
        requirements=(),
        check=check,
    )
    policy = to_policy(StackPolicy.of(rule), NO_EXEMPTIONS)
    assert isinstance(policy, StackValidationPolicy)
    reports: list[tuple[str, str | None]] = []

    def report(message: str, urn: str | None = None) -> None:
        reports.append((message, urn))

    policy.validate(StackValidationArgs([]), report)

    assert reports == [("example: the rule could not be evaluated (KeyError), so it refuses. Fix it.", None)]


def _stack_rule(name: str, severity: Severity, message: str | None, *settings: Setting) -> StackRule:
    def check(stack: Index, config: Config) -> Iterator[Finding]:
        for setting in settings:
            yield Finding(f"{setting.name} {config.number(setting.name)}")
        if message is None:
            raise KeyError("hunter2")
        yield Finding(message, next(iter(stack.of(_BUCKET))).urn)

    return StackRule(
        name=name,
        family=Family.RETENTION,
        refuses="An example.",
        severity=severity,
        remediation=f"Fix {name}.",
        requirements=("R8.2", name),
        settings=settings,
        check=check,
    )


class TestSharedPolicy:
    """Rules that share a CrossGuard policy keep their names, remediation, settings and exemptions."""

    POLICY = StackPolicy(
        name="shared",
        refuses="Examples.",
        rules=(
            _stack_rule("first-rule", Severity.LOW, "one", _FLOOR),
            _stack_rule("second-rule", Severity.CRITICAL, None),
            _stack_rule("third-rule", Severity.MEDIUM, "three", _FLOOR),
        ),
    )

    def _reports(self, exemptions: Exemptions) -> list[tuple[str, str]]:
        policy = to_policy(self.POLICY, exemptions)
        assert isinstance(policy, StackValidationPolicy)
        stack = Stack()
        stack.add(_BUCKET, "bucket", {})
        reports: list[tuple[str, str]] = []

        def report(message: str, where: str | None = None) -> None:
            reports.append((str(where).rpartition("::")[2], message))

        config = {"first-rule": {"minDays": 14.0}, "third-rule": {"minDays": 15.0}}
        policy.validate(StackValidationArgs(list(stack.resources.values()), config), report)
        return reports

    def test_each_speaks_for_itself_and_one_that_breaks_stops_no_other(self) -> None:
        assert self._reports(NO_EXEMPTIONS) == [
            ("tenantry-prod", "first-rule: minDays 14. Fix first-rule."),
            ("bucket", "first-rule: one. Fix first-rule."),
            (
                "tenantry-prod",
                "second-rule: the rule could not be evaluated (KeyError), so it refuses. Fix second-rule.",
            ),
            ("tenantry-prod", "third-rule: minDays 15. Fix third-rule."),
            ("bucket", "third-rule: three. Fix third-rule."),
        ]

    def test_an_exemption_is_from_one_of_them(self) -> None:
        entry = Exemption(
            rule="first-rule",
            resource=f"urn:pulumi:prod::tenantry::{_BUCKET}::bucket",
            reason="An example of a reason",
            owner="platform-team",
            expires=dt.date(2026, 1, 2),
        )

        found = self._reports(Exemptions(entries=(entry,), today=dt.date(2026, 1, 1)))

        assert [message for name, message in found if name == "bucket"] == ["third-rule: three. Fix third-rule."]

    def test_the_policy_is_as_grave_as_the_gravest_and_has_all_their_settings(self) -> None:
        policy = to_policy(self.POLICY, NO_EXEMPTIONS)

        assert policy.severity is Severity.CRITICAL
        assert policy.config_schema is not None
        settings = {"type": "object", "properties": {"minDays": _FLOOR.schema}, "additionalProperties": False}
        assert policy.config_schema.properties == {"first-rule": settings, "third-rule": settings}
        assert policy.framework is not None
        assert policy.framework.specification == "R8.2, first-rule, second-rule, third-rule"


class TestSharedResourcePolicy:
    """The same of rules that one resource is enough for, each of which judges its own types only."""

    @staticmethod
    def _rule(name: str, token: str, message: str | None) -> ResourceRule:
        def check(resource: Resource, config: Config) -> Iterator[str]:
            if message is None:
                raise KeyError("hunter2")
            yield f"{message} {resource.read('name')} {config.number('minDays')}"

        return dataclasses.replace(_rule(check, _FLOOR), name=name, tokens=(token,), remediation=f"Fix {name}.")

    def _reports(self, token: str, exemptions: Exemptions = NO_EXEMPTIONS) -> list[str]:
        rules = (
            self._rule("first-rule", _BUCKET, "one"),
            self._rule("second-rule", "gcp:*", None),
            self._rule("third-rule", _BUCKET, "three"),
            self._rule("fourth-rule", "gcp:sql/*", "four"),
        )
        policy = to_policy(ResourcePolicy(name="shared", refuses="Examples.", rules=rules), exemptions)
        assert isinstance(policy, ResourceValidationPolicy)
        config = {"first-rule": {"minDays": 14.0}, "third-rule": {"minDays": 15.0}}
        reports: list[str] = []

        def report(message: str, where: str | None = None) -> None:
            assert where == urn(token, "subject")
            reports.append(message)

        policy.validate(resource_args(token, {"name": "n"}, config=config), report)
        return reports

    def test_each_judges_its_types_and_one_that_breaks_stops_no_other(self) -> None:
        broken = "second-rule: the rule could not be evaluated (KeyError), so it refuses. Fix second-rule."

        assert self._reports(_BUCKET) == [
            "first-rule: one n 14. Fix first-rule.",
            broken,
            "third-rule: three n 15. Fix third-rule.",
        ]
        assert self._reports("gcp:sql/user:User") == [broken, "fourth-rule: four n 30. Fix fourth-rule."]
        assert self._reports("aws:s3/bucket:Bucket") == []

    def test_an_exemption_is_from_one_of_them(self) -> None:
        entry = Exemption(
            rule="second-rule",
            resource=urn("gcp:sql/user:User", "subject"),
            reason="An example of a reason",
            owner="platform-team",
            expires=dt.date(2026, 1, 2),
        )

        found = self._reports("gcp:sql/user:User", Exemptions(entries=(entry,), today=dt.date(2026, 1, 1)))

        assert found == ["fourth-rule: four n 30. Fix fourth-rule."]

    def test_a_resource_that_cannot_be_read_is_refused_by_every_rule_about_it(self) -> None:
        class Unreadable(Mapping[str, object]):
            def __getitem__(self, _: str) -> object:
                raise OSError("hunter2")

            def __iter__(self) -> Iterator[str]:
                return iter(("name",))

            def __len__(self) -> int:
                return 1

        rules = (self._rule("first-rule", _BUCKET, "one"), self._rule("third-rule", _BUCKET, "three"))
        policy = to_policy(ResourcePolicy(name="shared", refuses="Examples.", rules=rules), NO_EXEMPTIONS)
        assert isinstance(policy, ResourceValidationPolicy)
        reports: list[str] = []
        args = resource_args(_BUCKET, {})
        args.props = Unreadable()

        def report(message: str, _: str | None = None) -> None:
            reports.append(message)

        policy.validate(args, report)

        assert reports == [
            f"{rule.name}: the rule could not be evaluated (OSError), so it refuses. {rule.remediation}"
            for rule in rules
        ]


def test_siblings_are_found_by_name_by_list_and_by_edge_once_each() -> None:
    stack = Stack()
    target = stack.add(_BUCKET, "target", {"name": "t"})
    token = "gcp:storage/bucketObject:BucketObject"
    stack.add(token, "by-name", {"bucket": "t"})
    stack.add(token, "by-list", {"bucket": ["other", "t"]})
    stack.add(token, "by-edge", {"bucket": UNKNOWN_STRING_VALUE}, built_from={"bucket": ["target"]})
    stack.add(token, "by-both", {"bucket": "t"}, built_from={"bucket": ["target"]})
    stack.add(token, "other", {"bucket": "other"})
    stack.add(token, "unknown", {"bucket": UNKNOWN_STRING_VALUE})
    stack.add(token, "unset", {})
    index = Index(list(stack.resources.values()))
    (subject,) = index.of(_BUCKET)
    assert subject.name == target

    found = index.siblings(subject, (token,), "bucket", "t", None, "")

    assert sorted(item.name for item in found) == ["by-both", "by-edge", "by-list", "by-name"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "words is not set; it must include a"),
        ([], "words does not; it must include a"),
        ("a", "words does not; it must include a"),
        (UNKNOWN_STRING_VALUE, "words is not known during preview; it must include a"),
        (["b", UNKNOWN_STRING_VALUE], "words does not; it must include a"),
    ],
)
def test_a_list_must_include_a_word(value: object, message: str) -> None:
    assert list(expect.includes(thaw(unknown_checking_proxy({"words": value})), "words", "a")) == [message]
    assert list(expect.includes({"words": ["b", "a"]}, "words", "a")) == []


def test_a_property_of_the_wrong_shape_is_a_violation() -> None:
    found = judge(
        "sql-authorized-networks",
        "gcp:sql/databaseInstance:DatabaseInstance",
        {"settings": {"ipConfiguration": {"authorizedNetworks": "10.0.0.0/8"}}},
    )

    assert found == ["the rule could not be evaluated (TypeError), so it refuses"]


def test_a_rule_says_nothing_of_other_types() -> None:
    def check(_: Resource, __: Config) -> Iterator[str]:
        yield "never"

    assert run(_rule(check), "gcp:storage/bucketObject:BucketObject", {}) == []
    assert run(_rule(check), "aws:storage/bucket:Bucket", {}) == []


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"minDays": "30"}, "policy config minDays must be a whole number"),
        ({"minDays": True}, "policy config minDays must be a whole number"),
        ({"minDays": 7.5}, "policy config minDays must be a whole number"),
        ({"minDays": 0.0}, "policy config minDays must be at least 7 and at most 90"),
        ({"minDays": 91.0}, "policy config minDays must be at least 7 and at most 90"),
        ({"lock": 1.0}, "policy config lock must be true or false"),
        ({"names": "app"}, "policy config names must be a list of strings"),
        ({"names": [1]}, "policy config names must be a list of strings"),
    ],
)
def test_a_config_that_makes_no_sense_is_a_violation(given: dict[str, object], complaint: str) -> None:
    def check(_: Resource, config: Config) -> Iterator[str]:
        yield f"{config.number('minDays')} {config.flag('lock')} {config.words('names')}"

    rule = _rule(check, _FLOOR, _LOCK, _NAMES)

    assert run(rule, _BUCKET, {}, config=given) == [
        f"the rule refuses because of its configuration: {complaint}. Fix it."
    ]


def test_without_a_config_the_strictest_values_hold() -> None:
    config = Config((_FLOOR, _LOCK, _NAMES), {})

    assert (config.number("minDays"), config.flag("lock"), config.words("names")) == (30, True, frozenset())


def test_config_values_arrive_as_doubles() -> None:
    assert Config((_FLOOR,), {"minDays": 7.0}).number("minDays") == 7
    with pytest.raises(ConfigError):
        Config((_FLOOR,), {"minDays": float("6")}).number("minDays")


def test_messages_show_enum_words_and_numbers_and_nothing_that_could_be_a_secret() -> None:
    assert [expect.shown(value) for value in (True, 0, "INGRESS_TRAFFIC_ALL", "7776000s", "on", "")] == [
        "true",
        "0",
        "INGRESS_TRAFFIC_ALL",
        "7776000s",
        "on",
        "empty",
    ]
    for secret in ("hunter2", "AKIA7EXAMPLE", "Sup3r-Secret", "p\nq", ["hunter2"], {"a": "hunter2"}):
        assert expect.shown(secret) == "another value"


def _with_every_string(value: object, secret: str) -> object:
    if isinstance(value, dict):
        return {key: _with_every_string(item, secret) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_every_string(item, secret) for item in value]
    return secret


@pytest.mark.parametrize("token", COMPLIANT)
def test_no_rule_quotes_a_secret(token: str) -> None:
    """Every property of every fixture holds the secret, so that a rule which quotes one of them quotes it."""
    secret = "Tr0ub4dor&3-is-a-secret"
    props = _with_every_string(COMPLIANT[token], secret)
    assert isinstance(props, dict)

    more = dict.fromkeys(("password", "policyData", "policy"), secret)
    assert secret not in str(judge_all(token, props | more))


def test_everything_unknown_is_never_silence_for_a_guarded_type() -> None:
    """A resource whose every property is unknown passes only the rules that ask for something to be set."""
    token = "gcp:sql/databaseInstance:DatabaseInstance"
    props = dict.fromkeys(COMPLIANT[token], UNKNOWN_OBJECT_VALUE)

    assert sorted(judge_all(token, props)) == [
        "sql-authorized-networks",
        "sql-backup-count",
        "sql-backup-location",
        "sql-backups-enabled",
        "sql-data-api",
        "sql-edition",
        "sql-iam-authentication",
        "sql-log-flags",
        "sql-point-in-time",
        "sql-public-ip",
        "sql-tls",
    ]


def test_nor_for_a_database_of_the_other_cloud() -> None:
    token = "aws:rds/instance:Instance"
    props = dict.fromkeys(COMPLIANT[token], UNKNOWN_OBJECT_VALUE)

    assert sorted(judge_all(token, props)) == [
        "rds-backups",
        "rds-encrypted",
        "rds-iam-authentication",
        "rds-kept",
        "rds-master-password",
        "rds-observed",
        "rds-public-address",
    ]
