"""Rules that see a tenant whole, on whatever cloud its parts are."""

from policies.completeness import protected, tenants

STACK_RULES = (*tenants.RULES, *protected.RULES)
