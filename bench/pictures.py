"""The reports as pictures (needs matplotlib)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from .systems import SYSTEMS

STYLE = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": "#868e96",
    "axes.labelcolor": "#343a40",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "xtick.color": "#343a40",
    "ytick.color": "#343a40",
    "text.color": "#343a40",
    "figure.facecolor": "white",
    "savefig.dpi": 160,
}


def bars(report: dict[str, Any], file: Path) -> None:
    """A bar per system and workload: the time of a training step, on a logarithmic scale."""
    workloads, names = report["workloads"], list(report["versions"])
    width = 0.84 / len(names)
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(max(7.0, 1.6 * len(workloads) + 1.5), 6.6), layout="constrained")
        least = _least(workloads)
        for place, name in enumerate(names):
            system = SYSTEMS[name]
            found = [
                (index, figures["systems"][name]["seconds_per_step"])
                for index, figures in enumerate(workloads)
                if figures["systems"].get(name, {}).get("threads")
            ]
            axes.bar(
                [index - 0.42 + (place + 0.5) * width for index, _ in found],
                [1e6 * seconds - least for _, seconds in found],
                0.92 * width,
                bottom=least,
                color=system.colour,
                label=f"{system.label} {report['versions'][name].partition('+')[0]}",
                zorder=2,
            )
            for index in set(range(len(workloads))) - {index for index, _ in found}:
                why = "failed" if name in workloads[index]["systems"] else "n/a"
                left = index - 0.42 + (place + 0.5) * width
                axes.text(left, 1.15 * least, why, ha="center", va="bottom", fontsize=7, rotation=90, color="#868e96")
        _floors(axes, workloads, least)
        _headings(axes, workloads)
        axes.set_yscale("log")
        axes.set_ylim(bottom=least)
        axes.margins(y=0.12)
        axes.set_xlim(-0.6, len(workloads) - 0.4)
        axes.set_ylabel("µs per training step (lower is better)")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
        axes.grid(axis="y", color="#e9ecef", zorder=0)
        axes.tick_params(axis="x", length=0)
        axes.set_xticks(
            range(len(workloads)),
            [f"{figures['workload']}\n{figures['net']}\nbatch {figures['batch_size']:,}" for figures in workloads],
            fontsize=9,
        )
        machine = report["machine"]
        axes.set_title(
            f"A step of training, from shuffled rows to updated weights; in bold, the best peer's time over fastbp's\n"
            f"{machine['processor']}, {machine['processors']} processors, {machine['isa']}; "
            "each system with its better number of threads",
            fontsize=11,
            pad=14,
        )
        handles, labels = axes.get_legend_handles_labels()
        handles.append(Line2D([], [], color="#212529", linewidth=1.6))
        labels.append("the machine's floor")
        figure.legend(handles, labels, loc="outside lower center", ncols=min(7, len(handles)), frameon=False)
        figure.savefig(file)
        pyplot.close(figure)


def _least(workloads: list[dict[str, Any]]) -> float:
    """The bottom of the picture in µs: below every bar."""
    times = [s["seconds_per_step"] for f in workloads for s in f["systems"].values() if s["threads"]]
    return float(10 ** np.floor(np.log10(1e6 * min(times) / 1.5)))


def _floors(axes: Axes, workloads: list[dict[str, Any]], least: float) -> None:
    for index, figures in enumerate(workloads):
        ours = figures["systems"]["fastbp"]
        if ours["threads"] and 1e6 * ours["floor_seconds_per_step"] > least:
            floor = 1e6 * ours["floor_seconds_per_step"]
            axes.plot([index - 0.45, index + 0.45], [floor, floor], color="#212529", linewidth=1.6, zorder=3)


def _headings(axes: Axes, workloads: list[dict[str, Any]]) -> None:
    """Over each workload: how far ahead of the best peer fastbp is."""
    for index, figures in enumerate(workloads):
        if "ratio" in figures:
            highest = max(s["seconds_per_step"] for s in figures["systems"].values() if s["threads"])
            axes.annotate(
                f"{figures['ratio']:.{2 if figures['ratio'] < 2 else 1 if figures['ratio'] < 10 else 0}f}×",
                (index, 1e6 * highest),
                xytext=(0, 5),
                textcoords="offset points",
                ha="center",
                fontsize=12,
                fontweight="bold",
                color=SYSTEMS["fastbp"].colour,
            )


def heat_map(report: dict[str, Any], file: Path) -> None:
    """Time per flop over width and batch, from `bench.sweep`: a map, and the same as lines over the batch."""
    widths, batches = report["widths"], report["batches"]
    times = np.array(report["seconds_per_flop"]) * 1e12  # (widths, batches), ps
    with pyplot.rc_context(STYLE):
        figure, (axes, lines) = pyplot.subplots(2, 1, figsize=(11, 11), layout="constrained", height_ratios=(1.15, 1))
        image = axes.imshow(np.log10(times), cmap="YlOrRd", origin="lower", aspect="auto")
        middle = (np.log10(times).min() + np.log10(times).max()) / 2
        for row in range(len(widths)):
            for column in range(len(batches)):
                colour = "white" if np.log10(times[row, column]) > middle + 0.3 else "#343a40"
                axes.text(
                    column, row, _three_digits(times[row, column]), ha="center", va="center", fontsize=7.5, color=colour
                )
        axes.set_xticks(range(len(batches)), [f"{batch:,}" for batch in batches])
        axes.set_yticks(range(len(widths)), [f"{width:,}" for width in widths])
        axes.set_xlabel("rows per step")
        axes.set_ylabel("width of the layers")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        bar = figure.colorbar(image, ax=axes, pad=0.01)
        ticks = [tick for tick in range(-1, 7) if np.log10(times).min() <= tick <= np.log10(times).max()]
        bar.set_ticks(ticks, labels=[f"{10.0**tick:,g}" for tick in ticks])
        bar.set_label("ps per flop")
        bar.outline.set_visible(False)
        machine, threads = report["machine"], report["threads"]
        axes.set_title(
            f"Time per flop of a training step, layers width-width-width\n{machine['processor']}, "
            f"{threads} thread{'s' * (threads > 1)}, {machine['isa']}",
            fontsize=11,
            pad=12,
        )
        colours = matplotlib.colormaps["viridis"](np.linspace(0.05, 0.9, len(widths)))
        for row, width in enumerate(widths):
            lines.plot(batches, times[row], color=colours[row], marker="o", markersize=3, label=f"{width:,}")
        lines.axhline(1e12 / report["peak"], color="#212529", linewidth=1.4, linestyle="--", label="fma peak")
        lines.set_xscale("log", base=2)
        lines.set_yscale("log")
        lines.set_xticks(batches, [f"{batch:,}" for batch in batches])
        lines.minorticks_off()
        lines.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        lines.set_xlabel("rows per step")
        lines.set_ylabel("ps per flop (lower is better)")
        lines.grid(color="#e9ecef")
        lines.legend(title="width", frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
        figure.savefig(file)
        pyplot.close(figure)


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.3g}"
