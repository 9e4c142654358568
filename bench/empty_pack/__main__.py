"""The floor of CrossGuard: every resource is sent to the pack, and nothing is judged."""

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)


def nothing(args: ResourceValidationArgs, report: ReportViolation) -> None:
    del args, report


if __name__ == "__main__":
    PolicyPack(
        "empty",
        [ResourceValidationPolicy("nothing", "Does nothing.", nothing)],
        enforcement_level=EnforcementLevel.MANDATORY,
    )
