"""CrossGuard policy pack: rules in one module per family, the machinery they share in `policies.frame`."""
