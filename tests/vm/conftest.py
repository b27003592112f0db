"""The fixture `lab`, a time limit, and logs of what failed."""
import faulthandler
import shutil
import threading
import time

import pytest
from rig import Lab, Unfit, paths
from rig.kernels import KERNELS

SECONDS = 900


@pytest.fixture
def lab(request):
    """A Lab of the kernel chosen with --kernel. Its logs stay in build/vm-logs if the test fails,
    and it fails too if a guest's kernel complained, or one that watches memory missed some."""
    logs = paths.LOGS / request.node.name.replace("/", "_")
    shutil.rmtree(logs, ignore_errors=True)
    new = Lab(logs, kernel=request.config.getoption("kernel"),
              cold=request.config.getoption("cold"))
    request.node.stash[LAB] = new
    marker = request.node.get_closest_marker("seconds")
    limit = (marker.args[0] if marker else SECONDS) * new.slowness
    timer = threading.Timer(limit, _expire, [new, limit])
    timer.daemon = True
    timer.start()
    try:
        yield new
        if not request.node.stash.get(FAILED, False):
            new.check_memory()
    finally:
        timer.cancel()
        new.close()
    if not request.node.stash.get(FAILED, False):
        shutil.rmtree(logs, ignore_errors=True)


LAB = pytest.StashKey()
FAILED = pytest.StashKey()


def _expire(lab, seconds):
    faulthandler.dump_traceback()
    lab.kill_all(f"the test was not done in {seconds} s")


def pytest_configure(config):
    if minutes := config.getoption("minutes"):
        config.pluginmanager.register(Budget(minutes))


def pytest_collection_modifyitems(config, items):
    if KERNELS[config.getoption("kernel")].debug:
        return
    left_out = [item for item in items if item.get_closest_marker("debug")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


class Budget:
    """Lets no test begin when the time is up, and says which did not."""

    def __init__(self, minutes):
        self._end = time.monotonic() + minutes * 60
        self._left_out = []

    def pytest_runtest_protocol(self, item):
        if time.monotonic() < self._end:
            return None
        self._left_out.append(item.nodeid)
        return True

    def pytest_terminal_summary(self, terminalreporter):
        if self._left_out:
            terminalreporter.section(f"{len(self._left_out)} left out, the time was up")
            terminalreporter.write_line("\n".join(self._left_out))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if call.excinfo and call.excinfo.errisinstance(Unfit):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.location[1] + 1, f"Skipped: {call.excinfo.value}")
    if report.failed and LAB in item.stash:
        item.stash[FAILED] = True
        lab = item.stash[LAB]
        report.sections.append(("logs", str(lab.logs)))
        for node in lab.nodes:
            if tail := node.console.tail(20):
                report.sections.append((f"console of {node.name}", tail))
