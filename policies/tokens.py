"""Type tokens of the program's own components, which stand above any cloud."""

TENANT_DATABASE = "tenantry:tenant_database:TenantDatabase"
