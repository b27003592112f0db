"""Each fault in each state: what it does is what the rule says, and afterwards nothing is lost.

A cell begins with a streaming pair, brings it into the state, injects the fault, compares state, link and
I/O with the rule, and heals. Then one node serves and the other streams, the volumes show one prefix with
what was promised, and both nodes hold the same bytes. A run of all cells writes docs/faults.md."""
import pytest
from matrix import FAULTS, STATES, Cell, expected, heal
from pair import wipe
from rig import paths
from soft import SoftPair


def outcome(cell, states, links, io):
    """Waits for what the rule wants; what was seen, in plain words."""
    found = cell.io()
    assert found == io, f"{found}, not {io}"
    if not states:
        return f"node down; {io}"
    status = cell.pair.wait(cell.node, state=states.__contains__, link=links.__contains__)
    return f"`{status['state']}`, `{status['link']}`; {io}"


def promised(cell, fault):
    """After a loss of memory, or of the log, only what was flushed."""
    forgot = cell.state.writer and (cell.pair.a in cell.down or fault == "log errors" and cell.state.primary)
    return cell.load.flushed if forgot else cell.load.done


def run_cell(pair, state, fault, seed):
    wipe(pair.a, pair.devices())
    cell = Cell(pair, seed, state)
    state.bring(cell)
    FAULTS[fault](cell)
    seen = outcome(cell, *expected(state, fault))
    heal(cell)
    wait_well(pair, cell.serves)
    if pair.a not in cell.down and cell.writes:
        cell.load.stop()
    cell.load.check(cell.serves, promised(cell, fault))
    pair.assert_equal()
    if cell.serves is pair.b:
        pair.b.run("lvrctl demote g0")
        pair.a.run("lvrctl promote g0")
        wait_well(pair, pair.a)
    return seen


def wait_well(pair, primary):
    other = pair.a if primary is pair.b else pair.b
    pair.wait(primary, timeout=180, state="active", link="streaming")
    pair.wait(other, timeout=180, state="standby", link="streaming", consistent=1)


@pytest.mark.seconds(3600)
@pytest.mark.parametrize("name", STATES, ids=lambda name: name.replace(", ", "-").replace(" ", "-"))
def test_state(lab, cells, name):
    pair = SoftPair(lab).up()
    for seed, fault in enumerate(FAULTS, 1):
        try:
            cells[name, fault] = run_cell(pair, STATES[name], fault, seed)
        except Exception as error:
            raise AssertionError(f"{name} x {fault}: {error}") from error
        print(f"{name} x {fault}: {cells[name, fault]}", flush=True)


@pytest.fixture(scope="module")
def cells(request):
    """What was seen in each cell; if that is all of them, it becomes the document."""
    seen = {}
    yield seen
    if len(seen) == len(STATES) * len(FAULTS):
        (paths.TOP / "docs/faults.md").write_text(document(seen, request.config.getoption("kernel")))


def document(seen, kernel):
    table = [["fault", *STATES], ["---"] * (1 + len(STATES))]
    table += [[fault, *(seen[name, fault] for name in STATES)] for fault in FAULTS]
    return f"""# States and faults

Written by `make test-faults` on kernel {kernel}: how a node in a state is after a fault of its own devices, its
power, its tables, or of its peer where that is said: the state of its group, that of its link, and what becomes of
the writes on the primary. After each, with the fault ended, what was off or failed started again, and who was to
serve promoted, one node served, the other streamed, nothing promised was lost, and both held the same bytes.
`rmmod` is refused everywhere, `lvrctl stop` where a volume is open.

""" + "\n".join(f"| {' | '.join(row)} |" for row in table) + "\n"
