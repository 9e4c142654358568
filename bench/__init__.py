"""What the project's own layers cost: the program against the same resources written flat, the pack against none."""
