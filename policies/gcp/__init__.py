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
JOINED_RULES = (*identity.JOINED_RULES, *exposure.JOINED_RULES, *firestore.JOINED_RULES, *edge.JOINED_RULES)
AUDIT_RULES = audit.TRAIL_RULES
