"""The Google Cloud halves of the components."""
