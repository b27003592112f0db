"""What a guest was doing when a command of it did not end: kept beside its console.

The emulator is asked first, as the guest may be past answering."""
from .errors import NodeDied, Unfit

MONITOR = ("info status", "info registers -a", "info lapic 0", "info lapic 1")
GUEST = r"""
head -n 40 /proc/interrupts
cat /proc/uptime /proc/loadavg
for task in /proc/[0-9]*/task/[0-9]*; do
    read -r name <"$task/comm"
    state=$(sed -n 's/^State:\t//p' "$task/status")
    case $state in
    D*) ;;
    *) [ "$(tr -d '\0' <"$task/cmdline" 2>/dev/null)" ] || case $name in lvr*) ;; *) continue ;; esac ;;
    esac
    echo "== ${task##*/} $name $state"
    cat "$task/stack"
done
dmesg | tail -n 60
cat /proc/timer_list
"""


def take(node, path):
    """Writes what can be learnt of a running node to a file. Never raises for a node that is gone."""
    with open(path, "a") as out:
        for turn in ("first", "a second time"):
            for question in MONITOR:
                out.write(f"---- {question}, {turn}\n{_ask(node, question)}\n")
        out.write(f"---- its tasks\n{_look(node)}\n")


def _ask(node, question):
    try:
        return node.qmp("human-monitor-command", **{"command-line": question})
    except (OSError, RuntimeError, ValueError, Unfit) as error:
        return repr(error)


def _look(node):
    try:
        job = node.spawn(GUEST)
        job.join(20)
        return job.out + job.err + ("" if job.poll() is not None else "\n(it does not answer)")
    except NodeDied as error:
        return str(error)
