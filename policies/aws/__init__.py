"""Rules about Amazon Web Services."""

from policies.aws import audit, buckets, databases, encryption, exposure, identity, network, retention

RULES = (
    *encryption.RULES,
    *retention.RULES,
    *exposure.RULES,
    *network.RULES,
    *identity.RULES,
    *audit.RULES,
)
JOINED_RULES = (*buckets.JOINED_RULES, *databases.JOINED_RULES, *network.JOINED_RULES)
AUDIT_RULES = (*audit.TRAIL_RULES, *network.AUDIT_RULES)
