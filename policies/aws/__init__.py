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
STACK_RULES = (
    *buckets.STACK_RULES,
    *databases.STACK_RULES,
    *network.STACK_RULES,
    *audit.STACK_RULES,
)
