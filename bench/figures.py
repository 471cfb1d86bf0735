"""Computes the figures of a report from the turns of a contest. Units are seconds, FLOP/s and bytes/s."""

from __future__ import annotations

import statistics
from typing import Any

from .contest import Turns
from .machine import Roof, Roofs, own_caches
from .systems import SYSTEMS
from .workloads import Workload

Played = dict[tuple[str, int], Turns | str]  # by system and number of threads


def workload_figures(workload: Workload, played: Played) -> dict[str, Any]:
    """All figures of one workload, as --json writes them."""
    systems: dict[str, Any] = {}
    for (name, threads), turns in played.items():
        system = systems.setdefault(name, {"threads": {}})
        if isinstance(turns, str) or not turns.seconds:
            why = turns if isinstance(turns, str) else "no round was played"
            system["failed"] = f"with {threads} thread{'s' * (threads > 1)}: {why}"
        else:
            system["threads"][threads] = _contender_figures(turns, threads)
    for system in systems.values():
        if system["threads"]:
            best = min(system["threads"], key=lambda n: system["threads"][n]["seconds_per_step"])
            system |= {"best_threads": best, **system["threads"][best]}
            system["flops_per_second"] = workload.flops / system["seconds_per_step"]
    figures: dict[str, Any] = {
        "workload": workload.name,
        "net": workload.net,
        "batch_size": workload.batch_size,
        "flops_per_step": workload.flops,
        "systems": systems,
    }
    ours = systems.get("fastbp", {})
    if ours.get("threads"):
        peers = {name: peer for name, peer in systems.items() if name != "fastbp" and peer["threads"]}
        for peer in peers.values():
            peer["ratio"] = _median_ratio(peer["rounds"], ours["rounds"])
        if peers:
            figures["best_peer"] = min(peers, key=lambda name: peers[name]["ratio"])
            figures["ratio"] = peers[figures["best_peer"]]["ratio"]
        figures["scaling"] = _scaling(played)
    return figures


def _contender_figures(turns: Turns, threads: int) -> dict[str, Any]:
    used = min(threads, statistics.median_high(turns.busy) or threads)
    workload = turns.workload
    bytes_moved = workload.bytes_moved(own_caches(used))
    floors = [_roof_of(roofs, used).floor(workload.flops, bytes_moved) for roofs in turns.roofs]
    return {
        "seconds_per_step": statistics.median(turns.seconds),
        "rounds": turns.seconds,
        "threads_used": used,
        "floor_seconds_per_step": statistics.median(floors),
        "share_of_floor": _median_ratio(floors, turns.seconds),
    }


def _roof_of(roofs: Roofs, threads: int) -> Roof:
    """Measured for one thread and for all. Between them the peak is proportional, and the bandwidth is that of all."""
    if threads in roofs:
        return roofs[threads]
    most = max(roofs)
    return Roof(roofs[most].peak * threads / most, roofs[most].bandwidth)


def _median_ratio(above: list[float], below: list[float]) -> float:
    """The median of the rounds' ratios: within a round the machine's speed affects both alike."""
    return statistics.median(a / b for a, b in zip(above, below))


def _scaling(played: Played) -> dict[str, float]:
    """The speed-up of fastbp from one thread to all, and that of the fma peak; empty if there is only one processor."""
    ours = {n: turns for (name, n), turns in played.items() if name == "fastbp" and isinstance(turns, Turns)}
    if len(ours) < 2:
        return {}
    most = max(ours)
    peaks = [roofs[most].peak / roofs[1].peak for n in ours for roofs in ours[n].roofs]
    return {
        "threads": most,
        "speed_up": _median_ratio(ours[1].seconds, ours[most].seconds),
        "peak_ratio": statistics.median(peaks),
    }


def machine_figures(plays: list[Played]) -> dict[int, Any]:
    """Medians and ranges of the roofs of a whole run, by the number of threads."""
    all_roofs = [roofs for played in plays for t in played.values() if isinstance(t, Turns) for roofs in t.roofs]
    figures: dict[int, Any] = {}
    for threads in all_roofs[0] if all_roofs else ():
        peaks = [roofs[threads].peak for roofs in all_roofs]
        bandwidths = [roofs[threads].bandwidth for roofs in all_roofs]
        figures[threads] = {
            "peak": statistics.median(peaks),
            "peak_range": [min(peaks), max(peaks)],
            "bandwidth": statistics.median(bandwidths),
            "bandwidth_range": [min(bandwidths), max(bandwidths)],
        }
    return figures


# The report's text


def table(report: dict[str, Any]) -> str:
    machine = report["machine"]
    versions = ", ".join(f"{SYSTEMS[name].label} {version}" for name, version in report["versions"].items())
    lines = [f"{machine['processor']}, {machine['processors']} processors, {machine['isa']}; {versions}"]
    for threads, roof in report["roofs"].items():
        peak, bandwidth = roof["peak_range"], roof["bandwidth_range"]
        lines.append(
            f"{threads} thread{'s' * (threads > 1)}: fma peak {roof['peak'] / 1e9:.0f} GFLOP/s "
            f"({peak[0] / 1e9:.0f} to {peak[1] / 1e9:.0f}), bandwidth {roof['bandwidth'] / 1e9:.1f} GB/s "
            f"({bandwidth[0] / 1e9:.1f} to {bandwidth[1] / 1e9:.1f})"
        )
    peers = [name for name in SYSTEMS if name != "fastbp" and name in report["versions"]]
    header = ["", "network", "batch", "fastbp", "µs/step", "GFLOP/s", "of floor", "best peer"]
    rows = [header + [SYSTEMS[name].label for name in peers]]
    rows += [_row(figures, peers) for figures in report["workloads"]]
    return "\n".join([*lines, "", *_aligned(rows, left=2), *_scaling_lines(report), "", *NOTES])


NOTES = (
    "Medians of rounds in which the systems take turns; each system with its better number of threads, in brackets.",
    "of floor: the share of the least time that the machine could take, max(flops of the matrix products / fma peak,",
    "bytes / bandwidth), both measured before and after every turn. Peers: µs/step, and in brackets how many times",
    "fastbp's time, as the median of the rounds' ratios; above 1 fastbp is ahead. n/a: the peer has no such training.",
)


def _row(figures: dict[str, Any], peers: list[str]) -> list[str]:
    ours = figures["systems"].get("fastbp", {})
    row = [figures["workload"], figures["net"], str(figures["batch_size"])]
    if not ours.get("threads"):
        row += ["failed", "", "", "", ""]
    else:
        share = 100 * ours["share_of_floor"]
        row += [
            f"({ours['best_threads']})",
            microseconds(ours["seconds_per_step"]),
            f"{ours['flops_per_second'] / 1e9:.1f}",
            f"{share:.0f} %" if share >= 1 else "–",
            f"{figures['ratio']:.2f}× {SYSTEMS[figures['best_peer']].label}" if "ratio" in figures else "",
        ]
    for name in peers:
        peer = figures["systems"].get(name)
        if peer is None:
            row.append("n/a")
        elif not peer["threads"]:
            row.append("failed")
        else:
            ratio = f" ({peer['ratio']:.2f}×)" if "ratio" in peer else ""
            row.append(f"({peer['best_threads']}) {microseconds(peer['seconds_per_step'])}{ratio}")
    return row


def microseconds(seconds: float) -> str:
    digits = 2 if seconds < 1e-5 else 1 if seconds < 1e-4 else 0
    return f"{1e6 * seconds:,.{digits}f}"


def _aligned(rows: list[list[str]], left: int) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]


def _scaling_lines(report: dict[str, Any]) -> list[str]:
    rows = []
    for figures in report["workloads"]:
        scaling = figures.get("scaling")
        if scaling:
            threads = figures["systems"]["fastbp"]["threads"]
            one, all_threads = threads[1], threads[scaling["threads"]]
            rows.append(
                [
                    figures["workload"],
                    microseconds(one["seconds_per_step"]),
                    microseconds(all_threads["seconds_per_step"]),
                    str(all_threads["threads_used"]),
                    f"{scaling['speed_up']:.2f}",
                    f"{scaling['peak_ratio']:.2f}",
                    f"{100 * one['share_of_floor']:.0f} %",
                    f"{100 * all_threads['share_of_floor']:.0f} %",
                ]
            )
    if not rows:
        return []
    most = next(figures["scaling"]["threads"] for figures in report["workloads"] if figures.get("scaling"))
    header = ["fastbp", "1 thread", f"{most} threads", "used", "speed-up", "fma's", "of floor (1)", f"({most})"]
    return ["", *_aligned([header, *rows], left=1)]
