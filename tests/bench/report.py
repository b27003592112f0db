"""Results for the reader: a table, and a chart if gnuplot is there."""
import shutil
import subprocess

from results import FILE

COLUMNS = (("config", 11), ("workload", 16), ("kind", 7), ("iops", 10), ("mb_per_s", 9), ("lat_p50_us", 11),
           ("lat_p99_us", 11), ("cpu_ms_per_mb", 14), ("peer_cpu_ms_per_mb", 19), ("stolen_pct", 11))


def table(measurements):
    """One line per measurement, by scene and workload; what is compared stands together."""
    lines = []
    scene = None
    for one in sorted(measurements, key=lambda m: (m["device"], m["link"], m["workload"], m["kind"])):
        if (one["device"], one["link"]) != scene:
            scene = one["device"], one["link"]
            lines += ["", f"{scene[0]} devices, {scene[1]} link",
                      "".join(f"{name:>{width}}" for name, width in COLUMNS)]
        if one["kind"] == "event":
            lines.append(f"{one['config']:>11}{one['workload']:>16}  " + ", ".join(
                f"{name} {value:g}" for name, value in one.items() if isinstance(value, int | float)))
        else:
            lines.append("".join(f" {_cell(one.get(name, '-')):>{width - 1}}" for name, width in COLUMNS))
    return "\n".join(lines)


def _cell(value):
    """The median of an even number of rounds has more digits than it is worth."""
    return f"{value:.10g}" if isinstance(value, float) else value


def chart(measurements):
    """IOPS of all bursts on plain devices and link as a PNG; its path, or why there is none."""
    if not shutil.which("gnuplot"):
        return "no chart: there is no gnuplot"
    chosen = [m for m in measurements if (m["kind"], m["device"], m["link"]) == ("burst", "plain", "plain")]
    if not chosen:
        return "no chart: nothing was measured on plain devices and link"
    configs = list(dict.fromkeys(m["config"] for m in chosen))
    workloads = list(dict.fromkeys(m["workload"] for m in chosen))
    iops = {(m["workload"], m["config"]): m["iops"] for m in chosen}
    rows = ["- " + " ".join(configs)]
    rows += [" ".join([workload, *(str(iops.get((workload, config), "?")) for config in configs)])
             for workload in workloads]
    image = FILE.with_suffix(".png")
    script = f"""set terminal pngcairo size 1400,700
set output "{image}"
set datafile missing "?"
set style data histograms
set style fill solid
set logscale y
set ylabel "I/O per second"
set xtics rotate by -30
$data << EOD
{chr(10).join(rows)}
EOD
plot for [column=2:{len(configs) + 1}] $data using column:xtic(1) title columnheader
"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return image
