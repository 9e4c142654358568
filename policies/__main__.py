import sys
from pathlib import Path

if __name__ == "__main__":
    # The engine puts this folder first on the path; the repository root in its place makes the modules importable under
    # the one name that tests use too, and keeps a module here from shadowing one of the standard library.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

    from pulumi_policy import EnforcementLevel, PolicyPack

    from policies.pack import NAME, build

    PolicyPack(NAME, build(), enforcement_level=EnforcementLevel.MANDATORY)
