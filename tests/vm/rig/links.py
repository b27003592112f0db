"""Faults on the links between nodes, by the guests' own traffic control (netem).

Each pair of nodes has a link of its own. A fault lies on the sending side and stays over restarts."""
CUT = "loss 100%"


class Links:
    def __init__(self, lab):
        self._lab = lab
        self._faults = {}       # (sender, receiver) -> netem options

    def set(self, options, sender=None, receiver=None, both_ways=True):
        """Puts a fault ('' for none) on one link, on all of a node, or on all there are."""
        chosen = []
        for node in self._lab.nodes:
            for peer in self._lab.peers(node):
                forward = sender in (None, node) and receiver in (None, peer)
                backward = both_ways and sender in (None, peer) and receiver in (None, node)
                if forward or backward:
                    chosen.append((node, peer))
        for pair in chosen:
            self._faults[pair] = options
        for node in {node for node, _ in chosen}:
            if node.running:
                self.apply(node)

    def apply(self, node):
        """Makes a running node's links be as wanted."""
        commands = []
        for link, peer in enumerate(self._lab.peers(node)):
            options = self._faults.get((node, peer))
            if options:
                commands.append(f"modprobe -q sch_netem; tc qdisc replace dev eth{link} root netem "
                                f"limit 100000 {options}")
            elif options is not None:
                commands.append(f"tc qdisc del dev eth{link} root 2>/dev/null || :")
        if commands:
            node.run(" && ".join(f"{{ {command}; }}" for command in commands))
