"""An operator who brings two nodes back to work, whatever state a round has left them in."""
from lane import Violation

TRANSIENT_STATES = {"recovering", "waiting", "replaying", "promoting", "demoting", "stopping"}
TRANSIENT_LINKS = {"waiting", "authenticating", "handshaking", "catching-up", "syncing"}
LOOKS_ALIKE = 4         # a picture that stays the same for so many looks is no passing one
SECONDS = 240


def bring_together(game, timeout=SECONDS):
    """Both nodes run and the link is whole: until one of them serves and the other follows. Uses force
    only where the nodes stand still without it, and discards only a copy that the module itself
    calls superseded or not confirmed. Sets and returns the primary."""
    pair, seen = game.pair, []

    def together():
        picture = [pair.status(node) for node in pair.nodes]
        key = [(s["role"], s["state"], s["link"], s["consistent"], s["link_reason"]) for s in picture]
        seen[:] = seen + [key] if not seen or seen[-1] == key else [key]
        for node, mine, theirs in zip(pair.nodes, picture, picture[::-1], strict=True):
            if mine["state"] == "active" and mine["link"] == theirs["link"] == "streaming" and \
                    theirs["state"] == "standby" and theirs["consistent"]:
                game.primary, game.other = node, game.peer_of(node)
                return True
        if len(seen) >= LOOKS_ALIKE and not passing(picture):
            act(game, picture)
            seen.clear()
        return False

    try:
        game.lab.wait(together, timeout=timeout, what="one node to serve and the other to follow")
    except TimeoutError as error:
        pictures = "\n".join(f"{node.name}: {pair.status(node)}\n{node.run('dmesg | tail -25').out}"
                             for node in pair.nodes)
        raise Violation(f"{error}\n{pictures}") from None
    return game.primary


def passing(picture):
    """Whether it goes on by itself."""
    return any(s["state"] in TRANSIENT_STATES or s["link"] in TRANSIENT_LINKS for s in picture)


def act(game, picture):
    """The next thing that an operator does about nodes that stand still."""
    pair = game.pair
    by_state = {s["state"]: node for node, s in zip(pair.nodes, picture, strict=True)}
    primaries = [node for node, s in zip(pair.nodes, picture, strict=True) if s["state"] == "active"]
    if len(primaries) == 2:
        old = game.primary      # both serve: the one that was taken over from gives way
        command(game, old, "demote")
    elif any(s["link"] == "refused" for s in picture):
        loser = next((node for node, s in zip(pair.nodes, picture, strict=True)
                      if s["state"] == "standby" and (primaries or s["orphan_records"])), None)
        if loser is None:
            command(game, by_state.get("unconfirmed", game.other), "promote --force")
        else:
            command(game, loser, "connect --discard")
    elif primaries:
        raise Violation(f"the link stands still: {picture}")
    elif "unconfirmed" in by_state:
        command(game, by_state["unconfirmed"], "promote --force")
    else:
        heads = [s["head"] for s in picture]
        first = pair.nodes[heads.index(max(heads))]
        for node in (first, game.peer_of(first)):
            if command(game, node, "promote") == 0:
                return
        command(game, first, "promote --force")


def command(game, node, words):
    """A lvrctl command that may be refused: the nodes are looked at again anyway."""
    verb, *options = words.split()
    result = node.run(" ".join(["lvrctl", verb, game.pair.group, *options]), check=False, timeout=120)
    game.say(f"{node.name}: {words}:", result.rc, result.err.strip().replace("\n", "; ")[:200])
    return result.rc
