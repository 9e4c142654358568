"""The tables of docs/policies.md, from the rules themselves: `python -m policies.catalogue` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from policies.frame.exemptions import Exemptions
from policies.frame.rules import Family, Rule
from policies.pack import POLICIES, POLICY_OF, RULES, exemption_rule

ROOT = Path(__file__).resolve().parent
PAGE = ROOT.parent / "docs" / "policies.md"
STACKS = ("dev", "staging", "prod")
BEGIN = "<!-- rules: written by python -m policies.catalogue -->"
END = "<!-- end of rules -->"
_HEADER = ("Rule", "Policy", "Requirement", "What is refused", "How to fix it", *STACKS)


def config_file(stack: str) -> Path:
    """The policy config of a stack, for `--policy-pack-config`."""
    return ROOT / "config" / f"{stack}.json"


def level(config: dict[str, Any], rule: Rule) -> str:
    """The enforcement level and settings of a rule under a policy config, as a table cell."""
    entry = config.get(POLICY_OF.get(rule.name, rule.name), config["all"])
    given = entry if isinstance(entry, dict) else {"enforcementLevel": entry}
    lines = [given.get("enforcementLevel", config["all"])]
    settings = given.get(rule.name, {})
    for setting in rule.settings:
        value = settings.get(setting.name, setting.default)
        lines.append(f"`{setting.name}` {json.dumps(value)}")
    return "<br>".join(lines)


def tables() -> str:
    """One table for each family."""
    configs = [json.loads(config_file(stack).read_text(encoding="utf-8")) for stack in STACKS]
    rules = (*RULES, exemption_rule(Exemptions()))
    lines: list[str] = []
    for family in Family:
        lines += [f"### {family.value.capitalize()} rules", "", _row(_HEADER), _row(["---"] * len(_HEADER))]
        for rule in (rule for rule in rules if rule.family is family):
            name = f'<a id="{rule.name}"></a>`{rule.name}` ({rule.severity.value})'
            levels = [level(config, rule) for config in configs]
            run_by = f"`{POLICY_OF.get(rule.name, rule.name)}`"
            lines.append(_row([name, run_by, ", ".join(rule.requirements), rule.refuses, rule.remediation, *levels]))
        lines.append("")
    lines += ["### Shared policies", "", _row(("Policy", "What is refused")), _row(["---"] * 2)]
    for policy in POLICIES:
        if len(policy.rules) > 1:
            lines.append(_row([f'<a id="{policy.name}"></a>`{policy.name}`', policy.refuses]))
    lines.append("")
    return "\n".join(lines)


def _row(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def page(current: str) -> str:
    """The page with its tables brought up to date."""
    before, _, rest = current.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
