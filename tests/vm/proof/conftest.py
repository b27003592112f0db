"""Options of the long lanes, and their figure as the last line."""
import pytest
from lane import ROUNDS_A_GAME, Figure

FIGURE = pytest.StashKey()


def pytest_configure(config):
    config.stash[FIGURE] = Figure()


def pytest_generate_tests(metafunc):
    """A test with an argument `game` runs once for each game: (seed of the game, its rounds)."""
    if "game" in metafunc.fixturenames:
        rounds, seed = metafunc.config.getoption("rounds"), metafunc.config.getoption("seed")
        games = [(f"{seed}-{first // ROUNDS_A_GAME}", min(ROUNDS_A_GAME, rounds - first))
                 for first in range(0, rounds, ROUNDS_A_GAME)]
        metafunc.parametrize("game", games, ids=[name for name, _ in games])


@pytest.fixture
def figure(request):
    return request.config.stash[FIGURE]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        item.config.stash[FIGURE].broken.append(f"{item.name}: {call.excinfo.typename}: {call.excinfo.value}")


def pytest_unconfigure(config):
    figure = config.stash.get(FIGURE, None)
    if figure and (figure.counts or figure.broken):
        print(f"seed {config.getoption('seed')}: {figure.line()}")
