"""The project's resource rules alone: each stack policy makes the SDK read the whole stack once more."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # The engine puts this folder first on the path; the repository's root belongs there.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

    from pulumi_policy import EnforcementLevel, Policy, PolicyPack, ResourceValidationPolicy

    from policies.pack import build

    rules: list[Policy] = [policy for policy in build() if isinstance(policy, ResourceValidationPolicy)]
    PolicyPack("resource-rules", rules, enforcement_level=EnforcementLevel.MANDATORY)
