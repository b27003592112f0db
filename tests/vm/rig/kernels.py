"""What the rig has to know of the kernels that its guests run."""
from dataclasses import dataclass

from . import paths


@dataclass(frozen=True)
class Kernel:
    """slowness: what every time limit is multiplied by. memory: the same for the memory of guests."""
    slowness: int = 1
    memory: int = 1
    debug: bool = False         # has kmemleak and fault injection
    user_mode: bool = False     # a process, without an emulator: uml.py


PLAIN = Kernel()
# of scripts/build-debug-kernel, by the ends of their names
DEBUG = {
    "debug": Kernel(slowness=8, memory=2, debug=True),
    "um": Kernel(slowness=4, memory=2, debug=True, user_mode=True),
}

# what scripts/fetch-kernels and scripts/build-debug-kernel have left
KERNELS = {path.parent.name: DEBUG.get(path.parent.name.split("-")[-1], PLAIN)
           for path in sorted(paths.KERNELS.glob("*/release"))}
