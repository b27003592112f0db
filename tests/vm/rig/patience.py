"""Limits of waiting.

A limit finds what hangs, it measures nothing. So it is generous, and a time in which the machine
itself stood still (its own host may let it wait) does not count: the guests stood still, too."""
import time

NAP_SECONDS = 1.0       # whoever waits looks up so often
TOLERANCE = 3           # a busy machine is so much slower than the one the limits were made on


class Patience:
    """Wears off while it is asked: `while patience.lasts(): nap, at most NAP_SECONDS`."""

    def __init__(self, seconds):
        self._left = seconds * TOLERANCE
        self._last = time.monotonic()

    def lasts(self):
        """Whether there is more; counts the time since it was asked last, one nap at most."""
        now = time.monotonic()
        self._left -= min(now - self._last, NAP_SECONDS)
        self._last = now
        return self._left > 0
