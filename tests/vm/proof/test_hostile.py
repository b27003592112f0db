"""A peer that holds the key and keeps to no rule: frames of both ways are damaged at random, over and over,
while the primary is written to. The link is made again each time, and no damage gets past it."""
import random

import pytest
from kit import at_least, connections, mem_free_kib, threads
from lane import Game, Violation, end
from meddled import Meddled

ACTS = 15               # of mischief in a round
THREADS_MORE = 8        # the kernel's own come and go
MEM_KIB = 32 << 10      # the buffers of some connections that end, and what else comes and goes
RECONNECT = "while sleep 0.2; do lvrctl connect g0; done"      # nobody sits out a back-off


def acts(pair):
    return pair.meddler.out.count("hostile ")


def unharmed(game, before, synced):
    """Both nodes are what they were, and hold no more than they did."""
    pair = game.pair
    for node, state, (count, free) in zip(pair.nodes, ("active", "standby"), before, strict=True):
        status = pair.wait(node, link="streaming", timeout=180)
        if status["state"] != state or not status["consistent"]:
            raise Violation(f"{node.name} is {status}")
        if threads(node) > count + THREADS_MORE or free - mem_free_kib(node) > MEM_KIB:
            raise Violation(f"{node.name} holds more: threads, KiB free {before}, "
                            f"now {threads(node)}, {mem_free_kib(node)}")
    if connections(pair.b, 7794) != 1:
        raise Violation(f"{connections(pair.b, 7794)} connections")
    if pair.status(pair.a)["sync_bytes"] != synced:
        raise Violation("a full synchronisation was made")


@pytest.mark.seconds(3600)
def test_hostile(lab, figure, game):
    seed, rounds = game
    game = Game(lab, figure, seed, make=Meddled, log_mib=256, mode=["async", "async", "sync"])
    pair = game.pair
    game.say(game.options, f"blocks of {game.block}")
    pair.up()
    synced = pair.status(pair.a)["sync_bytes"]
    before = [(threads(node), mem_free_kib(node)) for node in pair.nodes]
    for number in range(rounds):
        chance = random.Random(f"{seed} {number}")
        load = game.load(chance)
        load.run_until(10)
        pair.through(f"random {chance.randint(1, 10 ** 6)}")
        again = pair.a.spawn(RECONNECT)
        lab.wait(lambda: acts(pair) >= ACTS or load.job.poll() is not None, timeout=300, what=f"{ACTS} acts")
        again.kill()
        lines = pair.meddler.out.splitlines()
        figure.add("connections", lines.count("connection"))
        figure.add("hostile frames", acts(pair))
        game.say(", ".join(line.removeprefix("hostile ") for line in lines if line.startswith("hostile")))
        pair.through()
        load.run_until(10)
        end(load)           # else a link that is slower than the writer never gets through
        unharmed(game, before, synced)
        head = pair.status(pair.a)["head"]
        pair.wait(pair.b, destaged=at_least(head), timeout=180)
        game.check(load, pair.a, load.done)
        game.check_equal()
        game.wipe(chance)
        figure.add("rounds")
