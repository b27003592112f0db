"""Power cuts of both nodes at random moments, under load, with role changes and cuts of the link.

After each one the copy that goes on is a prefix over all volumes, with all that it was promised to
hold; then both nodes hold the same bytes."""
import random

import pytest
from lane import Game, Violation, end, moment
from operate import bring_together, command

POLICIES = ("random", "random", "random", "drop", "keep")
ISOLATIONS = ("none", "none", "none", "cut", "cut and heal", "slow")


class Cuts(Game):
    """Beside the pair: what the primary's peer is known to hold durably of the current load."""

    def __init__(self, lab, figure, seed):
        super().__init__(lab, figure, seed, mode=["async", "sync", "sync"],
                         on_disconnect=["async", "block"], start_primary=["confirm", "confirm", "at-once"])
        self.bound = self.options.get("on_disconnect") == "block"
        self.at_peer = 0

    # under load

    def look(self, load):
        """What was done before everything was at the peer is at the peer."""
        done, status = load.done, self.pair.status(self.primary)
        if status["in_sync"] == 1 or status["lag_records"] == 0:
            self.at_peer = max(self.at_peer, done)

    def write(self, load, writes):
        """Goes on until so many more writes, or until the writer is held up, which is known by the
        status and not by the time that it takes. Looks at the status seldom: that costs the guests more
        than writing does."""
        target, last, idle = load.done + writes, 0, 0

        def enough():
            nonlocal last, idle
            done = load.done
            last, idle = done, 0 if done > last else idle + 1
            return done >= target or load.job.poll() is not None or idle % 5 == 4 and \
                "writers_wait" in self.pair.status(self.primary)["reason"]
        self.lab.wait(enough, timeout=120, what=f"{writes} writes")
        if load.job.poll() is not None:
            raise Violation(f"the writer ended: {load.job.err}")
        self.look(load)

    def isolate(self, load, how, chance):
        """A fault of the link before the cut."""
        if how == "slow":
            self.lab.slow(delay_ms=chance.choice([1, 10, 50]), rate_mbit=chance.choice([2, 20, 0]),
                          loss_pct=chance.choice([0, 1]))
        elif how != "none":
            self.lab.cut()
            self.write(load, chance.randint(1, 60))
        if how == "cut and heal":
            self.lab.heal()
            self.write(load, chance.randint(1, 60))

    # power

    def cut(self, node, chance):
        policy, seed = chance.choice(POLICIES), chance.randint(1, 10 ** 6)
        self.say(f"{node.name} loses power, cache: {policy} {seed}")
        node.power_cut(seed, policy)
        self.figure.add("cuts")

    def reboot(self, node, chance, again=0.3):
        """Up again; by chance it is cut off once more while it recovers."""
        if chance.random() < again:
            node.start()
            self.pair.configure(node)
            node.spawn(f"lvrctl start {self.pair.group}")
            moment(chance, 1.5)
            self.say("in its recovery")
            self.cut(node, chance)
        self.pair.reboot(node)


def secondary_is_cut(game, load, chance):
    """It recovers to a prefix by itself, and catches up with a primary that went on."""
    game.cut(game.other, chance)
    game.write(load, chance.randint(1, 100))
    alone = chance.random() < 0.5
    if alone:
        game.lab.cut()
    game.reboot(game.other, chance)
    if alone:
        game.pair.wait(game.other, state="standby")
        consistent = game.pair.status(game.other)["consistent"]
        game.pair.stop(game.other)
        if consistent:
            game.check(load, game.other, 0, game.pair.raw())
        game.pair.start(game.other)
    game.lab.heal()
    game.write(load, chance.randint(1, 100))
    load.stop()
    bring_together(game)
    return load.done


def primary_is_cut(game, load, chance, both=False):
    """Alone or with its peer. It comes back as primary, or the peer takes over."""
    primary, other = game.primary, game.other
    game.cut(primary, chance)
    if both:
        game.cut(other, chance)
    take_over = chance.random() < 0.5
    if take_over:
        if both:
            game.reboot(other, chance)
        promised = taken_over(game, load, other)
        game.lab.heal()
        game.reboot(primary, chance)
    else:
        promised = load.flushed
        if game.options["start_primary"] == "confirm":
            promised = max(promised, game.at_peer)
        if both:
            game.reboot(other, chance)
        game.lab.heal()
        game.reboot(primary, chance)
    bring_together(game)
    if take_over and game.primary is not other:
        raise Violation(f"{other.name} took over, and {primary.name} serves")
    return promised


def taken_over(game, load, node):
    """The node takes over; what it must hold then."""
    game.pair.wait(node, link="waiting", state="standby")
    promised = load.done if game.bound and game.pair.status(node)["alone"] == 0 else game.at_peer
    rc = command(game, node, "failover --force")
    if rc not in (0, 10):
        raise Violation(f"the takeover failed: {rc}")
    if rc == 0:     # the claim that nothing is lost
        promised = load.done
    game.check(load, node, promised)
    return promised


def roles_change(game, load, chance):
    """A hand-over after the load, and power cuts in the middle of it: nothing may be lost, whoever serves
    in the end."""
    game.lab.heal()
    game.pair.wait(game.primary, link="streaming")
    load.stop()
    game.pair.wait(game.primary, lag_records=0)
    head = game.pair.status(game.primary)["head"]
    for node in game.pair.nodes:
        game.pair.wait(node, durable=lambda durable: durable >= head)
    g, primary, other = game.pair.group, game.primary, game.other
    primary.spawn(f"lvrctl demote {g}")
    other.spawn(f"until lvrctl promote {g} --timeout 5 2>/dev/null; do sleep 0.05; done")
    moment(chance, 2)
    victims = chance.choice([[primary], [other], [primary, other], []])
    for node in victims:
        game.cut(node, chance)
    for node in victims:
        game.reboot(node, chance)
    bring_together(game)
    return load.done


def both_are_cut(game, load, chance):
    return primary_is_cut(game, load, chance, both=True)


# what a game's rounds are, in an order of its own
EVENTS = (secondary_is_cut, primary_is_cut, primary_is_cut, both_are_cut, both_are_cut, roles_change)


@pytest.mark.seconds(3600)
def test_cuts(lab, figure, game):
    seed, rounds = game
    game = Cuts(lab, figure, seed)
    game.say(game.options, f"blocks of {game.block}")
    game.pair.up()
    events = random.Random(seed).sample(EVENTS, len(EVENTS))
    for number in range(rounds):
        chance = random.Random(f"{seed} {number}")
        event = events[number % len(events)]
        game.at_peer = 0
        load = game.load(chance)
        isolation = chance.choice(ISOLATIONS)
        game.say(f"round {number}: {game.primary.name} is primary, {event.__name__}, link: {isolation}")
        game.write(load, chance.randint(20, 300))
        game.isolate(load, isolation, chance)
        promised = event(game, load, chance)
        found = game.check(load, game.primary, promised)
        game.say(f"promised {promised}, found {found}, done {load.done}")
        end(load)
        game.check_equal()
        game.wipe(chance)
        figure.add("rounds")
