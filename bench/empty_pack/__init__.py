"""A policy pack that judges nothing."""
