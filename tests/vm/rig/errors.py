"""What can go wrong with a node."""


class NodeDied(Exception):
    """The virtual machine has ended while something was wanted of it."""


class CommandFailed(Exception):
    """A command on a node ended with another status than wanted."""


class CommandTimeout(Exception):
    """A command on a node took too long; it has been killed."""


class MemoryLost(Exception):
    """Something that the module allocated can be reached by nobody any more."""


class Unfit(Exception):
    """Something was wanted that guests of this kernel cannot have: nothing that a test could find."""


class ConsoleFault(Exception):
    """A kernel complained on its console."""
