"""How many instructions a node has executed: a plugin of the emulator counts them."""
import sys

from . import paths


class Counter:
    """To be made before the node starts; exact if that has one processor."""

    def __init__(self, node):
        self.node = node
        self._file = node.console.path.with_suffix(".count")
        node.qemu_words = ["-plugin", f"{paths.PLUGINS / 'insn.so'},counter={self._file}"]

    def count(self):
        return int.from_bytes(self._file.read_bytes(), sys.byteorder)
