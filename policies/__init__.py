"""CrossGuard policy pack: a package per cloud with one module per family; what they share is in `policies.frame`."""
