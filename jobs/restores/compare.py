"""Whether a final export holds everything that the database holds, also what no dump ever has."""

from jobs.dumps import tables
from jobs.dumps.layout import Contents


def missing(source: Contents, restored: Contents) -> list[str]:
    """Say what would be lost with the source; empty when nothing would be."""
    wrong = tables.differences(source, restored)
    wrong += [
        f"{name} holds rows that no dump has ({'nobody but its owner may count them' if held is None else held})"
        for name, held in sorted(source.not_dumped.items())
    ]
    wrong += [
        f"{name} has {restored.partly.get(name)} rows instead of {held}, and its extension keeps the others"
        for name, held in sorted(source.partly.items())
        if restored.partly.get(name) != held
    ]
    wrong += [f"{name} is missing" for name in source.derived if name not in restored.derived]
    wrong += [f"{name} is in use: its tenant is not out" for name in source.moved]
    return wrong
