"""Finds the complaints of a kernel on its console."""
import re

COMPLAINT = re.compile(
    r"\bOops\b|\bBUG\b|\bWARNING:|hung task|INFO: task .* blocked|INFO: possible|possible circular|"
    r"possible recursive|suspicious RCU|general protection|UBSAN|KASAN|KCSAN|KFENCE|refcount_t|"
    r"Call Trace|Kernel panic|unable to handle|stall(s|ed)? (on|CPU)|double free|kmemleak: \d+ new|"
    r"inconsistent lock state|sleeping function called|scheduling while atomic")
LINES_AFTER = 120
HEAD_LINES = 8          # of a trace, before it says so


class Console:
    """A console's log, with the complaints that a test expects left out."""

    def __init__(self, path):
        self.path = path
        self._seen = 0
        self._expected = None

    def text(self):
        return self.path.read_text(errors="replace") if self.path.exists() else ""

    def tail(self, lines=40):
        return "\n".join(self.text().splitlines()[-lines:])

    def complaints(self):
        """The first complaint since the last forget() with the lines behind it, or ''."""
        lines = self.text()[self._seen:].splitlines()
        for number, line in enumerate(lines):
            if COMPLAINT.search(line) and not self._is_expected(lines, number):
                return "\n".join(lines[number:number + LINES_AFTER])
        return ""

    def expect_trace(self, head):
        """From now on the kernel may print a trace below a line like this."""
        self._expected = re.compile(head)

    def _is_expected(self, lines, number):
        return self._expected and "Call Trace" in lines[number] and \
            any(self._expected.search(line) for line in lines[max(0, number - HEAD_LINES):number])

    def forget(self):
        """Takes what is there for expected. Returns it."""
        text = self.text()
        new, self._seen = text[self._seen:], len(text)
        return new
