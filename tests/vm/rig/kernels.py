"""What the rig has to know of the kernels that its guests run."""
from dataclasses import dataclass

from . import paths


@dataclass(frozen=True)
class Kernel:
    """slowness: what every time limit is multiplied by. memory: the same for the memory of guests."""
    slowness: int = 1
    memory: int = 1
    debug: bool = False     # has kmemleak and fault injection


PLAIN = Kernel()
DEBUG = Kernel(slowness=8, memory=2, debug=True)       # scripts/build-debug-kernel

# what scripts/fetch-kernels and scripts/build-debug-kernel have left
KERNELS = {path.parent.name: DEBUG if path.parent.name.endswith("-debug") else PLAIN
           for path in sorted(paths.KERNELS.glob("*/release"))}
