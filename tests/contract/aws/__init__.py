"""The contract with AWS: its service models, its own lists, and where the bridged provider differs from them."""

from pathlib import Path
from typing import Final

LIST: Final = Path(__file__).with_name("unchecked.txt")
