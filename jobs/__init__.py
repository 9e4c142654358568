"""Data-plane jobs: what the cloud's API cannot do, done next to the data."""
