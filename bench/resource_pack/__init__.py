"""The pack without its stack rules."""
