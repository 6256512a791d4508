"""The plots of the report."""

from xpnn.plot._canvas import COLOURS, MARKERS, SMALL, grid


def label(row):
    return f"{row['workload']}, {row['optimizer']}"


def ratios(data):
    """Draw how many times as long each other side takes, a panel each."""
    rows = [row for row in data if row.get("table") in ("abstraction", "peers")]
    if not rows:
        return None
    names = list(dict.fromkeys(map(label, rows)))
    specs = list(dict.fromkeys(row["xpnn on"] for row in rows))
    peers = list(dict.fromkeys(row["peer"] for row in rows))
    figure, axes = grid(
        len(peers), 3, (2.6, 0.8 + 0.22 * len(names)), extra=(2.4, 0.6), sharex=True, sharey=True
    )
    for ax, peer in zip(axes, peers, strict=True):
        ax.axvline(1.0, color="0.6", linewidth=1.0)
        for k, spec in enumerate(specs):
            shown = [row for row in rows if row["peer"] == peer and row["xpnn on"] == spec]
            ax.plot(
                [row["ratio"] for row in shown],
                [names.index(label(row)) for row in shown],
                MARKERS[k % len(MARKERS)],
                color=COLOURS[k % len(COLOURS)],
                label=f"xpnn on {spec}",
            )
        ax.set_title(peer, fontsize=SMALL)
    finish(figure, axes, names, "time of the other side / time of xpnn: right of 1 xpnn is faster")
    return figure


def shares(data):
    """Draw the share of its time that a training needs for its matrix products."""
    rows = [row for row in data if row.get("table") == "throughput"]
    if not rows:
        return None
    names = list(dict.fromkeys(map(label, rows)))
    figure, (ax,) = grid(1, 1, (7.0, 1.0 + 0.3 * len(names)))
    for k, spec in enumerate(dict.fromkeys(row["backend"] for row in rows)):
        shown = [row for row in rows if row["backend"] == spec]
        ax.plot(
            [row["ratio"] for row in shown],
            [names.index(label(row)) for row in shown],
            MARKERS[k % len(MARKERS)],
            color=COLOURS[k % len(COLOURS)],
            label=spec,
        )
    finish(
        figure, [ax], names, "time of the matrix products alone / time of the training", log=False
    )
    ax.set_xlim(left=0.0)
    return figure


def finish(figure, axes, names, what, log=True):
    for ax in axes:
        if log:
            ax.set_xscale("log")
        ax.grid(alpha=0.3)
        ax.margins(y=0.08)
        ax.tick_params(labelsize=SMALL)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    figure.supxlabel(what, fontsize="medium")
    found = {}
    for ax in axes:
        handles, labels = ax.get_legend_handles_labels()
        found |= {
            text: handle
            for handle, text in zip(handles, labels, strict=True)
            if len(handle.get_xdata())
        }
    figure.legend(
        found.values(), found, loc="outside upper center", ncols=4, frameon=False, fontsize=SMALL
    )


FIGURES = {"ratios": ratios, "shares": shares}
