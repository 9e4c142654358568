"""Restores: a tenant's dump goes back into a database as that tenant, and as nobody else."""
