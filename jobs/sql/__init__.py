"""The SQL job: makes tenant isolation inside PostgreSQL real, and says so in the registry (R2.5)."""
