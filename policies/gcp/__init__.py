"""Rules about Google Cloud."""

from policies.gcp import audit, edge, encryption, exposure, firestore, identity, retention

RULES = (
    *encryption.RULES,
    *retention.RULES,
    *firestore.RULES,
    *exposure.RULES,
    *edge.RULES,
    *identity.RULES,
    *audit.RULES,
)
STACK_RULES = (
    *identity.STACK_RULES,
    *exposure.STACK_RULES,
    *firestore.STACK_RULES,
    *edge.STACK_RULES,
    *audit.STACK_RULES,
)
