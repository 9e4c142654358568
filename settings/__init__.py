"""What a person writes, and what follows from it. No module here imports Pulumi."""
