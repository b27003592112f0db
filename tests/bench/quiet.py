"""What the machine's own host gave to others while something was measured.

A machine may be a guest itself. Who shares its processors is not seen from here, but what they took is: steal time."""
QUIET_PCT = 2
TAKES = 3


def quietest(measure):
    """Measures until at most QUIET_PCT was stolen, TAKES times at most; the take with the least, which says how much."""
    takes = []
    while len(takes) < TAKES and (not takes or takes[-1]["stolen_pct"] > QUIET_PCT):
        before = _counted()
        found = measure()
        used, stolen = (now - was for now, was in zip(_counted(), before, strict=True))
        takes.append(found | {"stolen_pct": round(100 * stolen / max(1, used + stolen), 1)})
    return min(takes, key=lambda take: take["stolen_pct"])


def _counted():
    """Ticks of all processors, used and stolen."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _idle, _iowait, irq, softirq, stolen = map(int, stat.readline().split()[1:9])
    return user + nice + system + irq + softirq, stolen
