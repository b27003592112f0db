"""Each fault in each state: what it does is what the rule says, and afterwards nothing is lost.

A cell begins with a streaming pair, brings it into the state, injects the fault, compares state, link and
I/O with the rule, and heals. Then one node serves and the other streams, the volumes show one prefix with
what was promised, and both nodes hold the same bytes. When all states have been run, in one run or in several
of the same sources, docs/faults.md is written."""
import hashlib
import json

import pytest
from cell import GOES_ON, Cell
from faults import FAULTS
from kit import assert_same_bytes
from pair import wipe
from rig import paths
from rule import expected
from soft import SoftPair
from states import STATES


def outcome(cell, wanted):
    """Waits for what the rule wants; what was seen, in plain words."""
    io = cell.io()
    assert io in wanted.io, f"{io}, not {' or '.join(wanted.io)}"
    if not wanted.states:
        return f"node down; {io}"
    status = cell.pair.wait(cell.node, state=wanted.states.__contains__, link=wanted.links.__contains__)
    return f"`{status['state']}`, `{status['link']}`; {io}"


def promised(cell, breaks):
    """After a loss of memory, or of the log, only what was flushed; who waits has had that before."""
    where, what = breaks or ("", "")
    lost_log = what == "log" and getattr(cell, where) is cell.pair.a
    forgot = cell.crashed or cell.state.io == GOES_ON and (cell.pair.a in cell.down or lost_log)
    return cell.load.flushed if forgot else cell.load.done


def run_cell(pair, state, fault, seed):
    wipe(pair.a, pair.devices(), mib=1)
    cell = Cell(pair, seed, STATES[state])
    cell.state.bring(cell)
    FAULTS[fault].inject(cell)
    cell.release()
    seen = outcome(cell, expected(state, fault))
    cell.heal()
    wait_well(pair, cell.serves)
    cell.end_writers()
    cell.load.check(cell.serves, promised(cell, FAULTS[fault].breaks))
    check_equal(pair, cell.serves)
    if cell.serves is pair.b:
        pair.b.run("lvrctl demote g0")
        pair.a.run("lvrctl promote g0")
        wait_well(pair, pair.a)
    return seen


def check_equal(pair, primary):
    """Both nodes hold the same bytes. Read by the host, which costs the guests nothing."""
    head = pair.status(primary)["head"]
    for node in pair.nodes:
        pair.wait(node, destaged=head, durable=head)
    assert_same_bytes(pair)


def wait_well(pair, primary):
    other = pair.a if primary is pair.b else pair.b
    pair.wait(primary, timeout=180, state="active", link="streaming")
    pair.wait(other, timeout=180, state="standby", link="streaming", consistent=1)


@pytest.mark.seconds(3600)
@pytest.mark.parametrize("name", STATES, ids=lambda name: name.replace(", ", "-").replace(" ", "-"))
def test_state(lab, cells, figure, name):
    pair = SoftPair(lab, volume_mib=16, **STATES[name].options).up()
    seen = {}
    for seed, fault in enumerate(FAULTS, 1):
        try:
            seen[fault] = run_cell(pair, name, fault, seed)
        except Exception as error:
            raise AssertionError(f"{name} x {fault}: {error}") from error
        figure.add("cells as the rule says")
        print(f"{name} x {fault}: {seen[fault]}", flush=True)
    cells.add(name, seen)


class Cells:
    """What was seen, by state and fault; kept in build/ from run to run, as long as the sources are the same."""

    FILE = paths.BUILD / "faults.json"

    def __init__(self, kernel):
        self._of = {"kernel": kernel, "sources": sources_digest()}
        kept = json.loads(self.FILE.read_text()) if self.FILE.exists() else {}
        self.seen = kept["seen"] if {key: kept.get(key) for key in self._of} == self._of else {}

    def add(self, name, seen):
        self.seen[name] = seen
        self.FILE.write_text(json.dumps({**self._of, "seen": self.seen}, indent=1))

    @property
    def complete(self):
        return all(set(self.seen.get(name, ())) == set(FAULTS) for name in STATES)


def sources_digest():
    """Of all that decides what is seen in a cell."""
    files = sorted(path for top in ("dm-lvr", "include", "lvrctl") for path in (paths.TOP / top).rglob("*.[ch]"))
    files += [paths.TOP / f"tests/vm/proof/{name}.py" for name in ("cell", "states", "faults", "rule")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


@pytest.fixture(scope="module")
def cells(request):
    kernel = request.config.getoption("kernel")
    new = Cells(kernel)
    yield new
    if new.complete:
        (paths.TOP / "docs/faults.md").write_text(document(new.seen, kernel))


def document(seen, kernel):
    lasting = [name for name, state in STATES.items() if not state.passes]
    passing = [name for name, state in STATES.items() if state.passes]
    return f"""# States and faults

Written by `make test-faults` on kernel {kernel}: how a node in a state is after a fault of its own devices, its
power, its tables, or of its peer where that is said: the state of its group, that of its link, and what becomes of
the writes on the primary. Each fault has shown that it happened. After each, with the fault ended, what was off or
failed started again, and who was to serve promoted, one node served, the other streamed, nothing promised was lost,
and both held the same bytes. `rmmod` is refused everywhere, `lvrctl stop` where a volume is open.

## States that last

{table(seen, lasting)}

## States that pass by

A device below was kept from answering until the fault was there, and then let go: this is what the node came to.
A group that starts does so after a loss of power.

{table(seen, passing)}
"""


def table(seen, states):
    rows = [["fault", *states], ["---"] * (1 + len(states))]
    rows += [[fault, *(seen[name][fault] for name in states)] for fault in FAULTS]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
