"""Amazon Web Services halves of the components."""
