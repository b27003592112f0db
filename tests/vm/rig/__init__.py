"""Virtual machines for testing LVR. See ../README.md."""
from .agent import Job, Result
from .disk import Disk
from .errors import CommandFailed, CommandTimeout, ConsoleFault, NodeDied, Unfit
from .lab import Lab
from .node import Node

__all__ = ["CommandFailed", "CommandTimeout", "ConsoleFault", "Disk", "Job", "Lab", "Node",
           "NodeDied", "Result", "Unfit"]
