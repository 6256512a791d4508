"""The tables of the report: how the figures of one kind of benchmark are shown."""

from xpnn.table import Table


def milliseconds(seconds):
    ms = 1e3 * seconds
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:.1f}"


def ratio(row):
    """Return the median of the ratios, and the middle half of them."""
    return f"{row['ratio']:.2f} ({row['ratio_low']:.2f}–{row['ratio_high']:.2f})"


def pairs(*labels, sides=("theirs, ms", "xpnn, ms")):
    """Return a function that makes a table of comparisons of two sides."""

    def table(rows):
        header = (*labels, *sides, "ratio (middle half)")
        return Table(
            header,
            [
                (
                    *(row[label] for label in labels),
                    milliseconds(row["their_seconds"]),
                    milliseconds(row["our_seconds"]),
                    ratio(row),
                )
                for row in rows
            ],
        )

    return table


def throughput(rows):
    header = ("backend", "workload", "optimizer", "examples a second", "share of floor")
    return Table(
        header,
        [
            (
                row["backend"],
                row["workload"],
                row["optimizer"],
                f"{row['examples'] / row['our_seconds']:,.0f}",
                f"{row['ratio']:.2f}",
            )
            for row in rows
        ],
    )


def memory(rows):
    header = ("workload", "scikit-learn, MiB", "xpnn, MiB", "ratio")
    return Table(
        header,
        [
            (
                row["workload"],
                f"{row['their_bytes'] / 2**20:.0f}",
                f"{row['our_bytes'] / 2**20:.0f}",
                f"{row['their_bytes'] / row['our_bytes']:.2f}",
            )
            for row in rows
        ],
    )


def growth(rows):
    header = ("with", "sizes", "epoch, ms", "slope of time", "arrays, MiB", "slope of memory")
    return Table(
        header,
        [
            (
                row["quantity"],
                ", ".join(map(str, row["sizes"])),
                ", ".join(map(milliseconds, row["seconds"])),
                f"{row['time_slope']:.2f}",
                ", ".join(f"{n / 2**20:.1f}" for n in row["bytes"]),
                f"{row['memory_slope']:.2f}",
            )
            for row in rows
        ],
    )


def loops(rows):
    """Return a table of the calls, each beside the loop that does the same, if it was timed."""
    of_loop = {row["computation"]: row["seconds"] for row in rows if row["by"] == "loop"}
    return Table(
        ("of a million numbers", "by", "loop, ms", "one call, ms", "ratio"),
        [
            (
                row["computation"],
                row["by"],
                milliseconds(of_loop[row["computation"]]),
                f"{1e3 * row['seconds']:.2f}",
                f"{of_loop[row['computation']] / row['seconds']:.0f}",
            )
            for row in rows
            if row["by"] != "loop" and row["computation"] in of_loop
        ],
    )


def waits(rows):
    looks = list(dict.fromkeys(look for row in rows for look in row["waits"]))
    header = ("backend", "workload", "steps an epoch", *looks)
    return Table(
        header,
        [
            (
                row["backend"],
                row["workload"],
                str(row["steps"]),
                *(f"{row['waits'][look]:.2f}" if look in row["waits"] else "–" for look in looks),
            )
            for row in rows
        ],
    )


TABLES = {
    "loops": ("Explicit loops over one vectorised call: time, in float64; JAX in float32", loops),
    "peers": (
        "PyTorch over `xpnn.fit`: time on the same training, above 1 xpnn is faster",
        pairs("peer", "xpnn on", "workload", "optimizer"),
    ),
    "abstraction": (
        "By hand over `xpnn.fit` in the same library: time, above 1 xpnn is faster",
        pairs("peer", "xpnn on", "workload", "optimizer"),
    ),
    "throughput": (
        "Examples a second of `xpnn.fit`, and of PyTorch; share of the time for matrix products",
        throughput,
    ),
    "streaming": (
        "`xpnn.fit` on X in a memory-mapped file over X in the device's memory: time",
        pairs("backend", "workload", sides=("in a file, ms", "on the device, ms")),
    ),
    "waits": (
        "How often the host waits in an epoch of `xpnn.fit`; fewer than 1: epochs run together",
        waits,
    ),
    "sklearn": (
        "scikit-learn's `MLPClassifier.fit` over xpnn's: time, above 1 xpnn is faster",
        pairs("xpnn on", "workload"),
    ),
    "memory": (
        "`MLPClassifier.fit` and `predict`: peak memory beyond the data, scikit-learn over xpnn",
        memory,
    ),
    "growth": (
        "`xpnn.fit` on NumPy: time of an epoch, peak of its arrays; slopes in logarithms",
        growth,
    ),
}
