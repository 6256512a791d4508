"""Training on several processes: what one and two ranks take here, and a model of more.

python benchmarks/distributed.py --report benchmarks/results
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from tables import milliseconds

from xpnn import distributed, fit
from xpnn._backends.threads import SETTINGS
from xpnn.bench import OPTIMIZERS, WORKLOADS, conditions, report_name, write_report
from xpnn.core.parameters import count
from xpnn.distributed.processes import Alone, active_comm
from xpnn.plot._canvas import COLOURS, MARKERS, SMALL, grid, pyplot
from xpnn.table import Table
from xpnn.training.batches import Plan, Shuffle

NAMES = ("784-256-128-10", "1024-1024-1024-10")
CASES = {name: next(w for w in WORKLOADS if w.name.startswith(name)) for name in NAMES}
CURVE = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)  # examples in a batch, of one process
LARGE = 8192  # the larger batch of strong scaling
BYTES = tuple(2**k for k in (3, 6, 9, 12, 14, 16, 18, 20, 22, 24, 26))
SHARES = (8, 32, 128, 1024)  # examples a rank
RANKS = tuple(2**k for k in range(11))
SHOWN = (4, 16, 64, 256, 1024)
EPOCH = 50  # steps an epoch in the model
NETWORKS = ((10.0, 25.0), (100.0, 3.0))  # Gbit/s and microseconds a message: assumed
DROPPED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
COMPILING = 2**26  # entries updated before Numba compiles the update


# ---- in the processes that are timed ----------------------------------------


class OneOfTwo(Alone):
    """One process that computes as if there were another, and exchanges nothing."""

    def __init__(self):
        super().__init__()
        self.size = 2


warm = set()  # the types of run in which Numba has compiled the update


def train(name, batch, m, budget, comm):
    """Return the seconds of a step and of its Allreduce, with the waiting, a mean over ranks."""
    case = replace(CASES[name], m=m, batch_size=batch)
    own = slice(0, m) if isinstance(comm, Alone) else comm.shard(m)
    X, Y = (a[own].T for a in case.rows())
    net, spent = case.net, []

    def run(batch, epochs):
        common = {"optimizer": OPTIMIZERS["Adam"], "progress": False, "communicator": comm}
        params = net.init(rng=0)
        return fit(net, params, X, Y, batch_size=batch, epochs=epochs, **common)[1].seconds

    steps = m // batch
    if type(comm) not in warm:
        warm.add(type(comm))
        small = min(batch, 16)
        run(small, 1 + COMPILING // (count(net.sizes) * (m // small)))
    epochs = min(200, max(3, math.ceil(budget / min(run(batch, 2)))))
    epochs = comm.broadcast(epochs)
    comm.sum = timed(comm.sum, spent)
    seconds = run(batch, epochs)
    del comm.sum  # the method again
    if comm.size == 1:
        return {"step": median(seconds) / steps}
    sums = np.asarray(spent).reshape(epochs, steps).sum(axis=1)
    return {
        "step": median(seconds) / steps,
        "sum": float(np.mean(comm.gather(np.median(sums)))) / steps,
        "share": float(np.mean(comm.gather(np.median(sums / seconds)))),
    }


def timed(function, spent):
    """Return a function of one argument that also notes how long each call takes."""

    def call(a):
        began = perf_counter()
        result = function(a)
        spent.append(perf_counter() - began)
        return result

    return call


def curve(name, comm):
    """Return the seconds of a step of one process against its examples, and of adding a byte."""
    most, times = CASES[name].m, {"plain": [], "part": []}
    sizes = [b for b in CURVE if 2 * b <= most]
    for b in sizes:
        for key, one in (("plain", comm), ("part", OneOfTwo())):
            times[key].append(train(name, b, b * min(EPOCH, most // b), 0.2, one)["step"])
    a, b = np.ones((2, 2**21), dtype=np.float32)
    spent = []
    for _ in range(20):
        timed(lambda c: np.add(a, c, out=a), spent)(b)
    return {"batch": sizes, **times, "adding": median(spent) / a.nbytes}


def order(comm):
    """Return the seconds that a rank takes to put an example of another into order."""
    m, batch = 2**22, 2**15
    shuffle = Shuffle(m, np.random.default_rng(0))
    plan = Plan(m, batch, None, pad=False, own=slice(0, m // 256))
    numbers, inverse = [()] * plan.steps, np.ones((1, plan.steps))
    spent = []
    for _ in range(3):
        timed(lambda _: plan.batches([shuffle.draw()], inverse, numbers), spent)(None)
    return {"order": median(spent) / m}


def allreduce(comm):
    """Return the seconds of an Allreduce of each number of bytes."""
    times = []
    for n in BYTES:
        a, spent = np.zeros(n // 4, dtype=np.float32), []
        total = timed(comm.sum, spent)
        for _ in range(max(15, min(2000, 2**26 // n))):
            total(a)
        times.append(median(spent[3:]))
    return times


def described(comm):
    """Return the conditions, and the name of the MPI library."""
    from mpi4py import MPI

    return [*conditions(), MPI.Get_library_version().replace("\t", " ").splitlines()[0].strip()]


# ---- starting them ----------------------------------------------------------


def launch(what, *arguments, ranks=1, threads=None):
    """Return what a function above returns in so many processes."""
    beside = Path(sys.executable).parent / "mpiexec"
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    start = [mpiexec, "-n", str(ranks)] if ranks > 1 else []
    job = json.dumps([what, arguments])
    env = {k: v for k, v in os.environ.items() if k not in (*DROPPED, *SETTINGS)}
    if threads:
        env["OMP_NUM_THREADS"] = str(threads)
    command = [*start, sys.executable, __file__, "--worker", job]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def work(job):
    comm = active_comm(distributed.communicator())
    what, arguments = json.loads(job)
    answer = WORK[what](*arguments, comm)
    if comm.is_root:
        print(json.dumps(answer))


WORK = {function.__name__: function for function in (train, curve, order, allreduce, described)}


def measure(repetitions, budget):
    """Return the medians of everything that is timed; the runs take turns."""
    jobs = {"allreduce": (2, None, "allreduce"), "order": (1, None, "order")}
    for name, case in CASES.items():
        for key, ranks, threads, k in (
            ("1 rank, 1 thread", 1, 1, 1),
            ("1 rank", 1, None, 1),
            ("1 rank, twice the batch", 1, None, 2),
            ("2 ranks", 2, None, 1),
            ("2 ranks, twice the batch", 2, None, 2),
            *([("2 ranks, all threads", 2, os.cpu_count(), 1)] if name == NAMES[0] else []),
        ):
            arguments = (name, k * case.batch, k * case.m, budget)
            jobs[f"{name}: {key}"] = (ranks, threads, "train", *arguments)
        jobs[f"{name}: curve"] = (1, None, "curve", name)
        jobs[f"{name}: curve, 1 thread"] = (1, 1, "curve", name)
    runs = {key: [] for key in jobs}
    for i in range(repetitions):
        for key, (ranks, threads, *job) in jobs.items():
            print(f"{i + 1} of {repetitions}: {key}", file=sys.stderr)
            runs[key].append(launch(*job, ranks=ranks, threads=threads))
    found = {key: middle(answers) for key, answers in runs.items()}
    for name, suffix in product(CASES, ("", ", 1 thread")):
        both = found.pop(f"{name}: curve{suffix}")
        for key in ("plain", "part"):
            found[f"{name}: {key}{suffix}"] = both | {"step": both[key]}
    return found


def middle(runs):
    """Return the median of some answers, number by number."""
    if isinstance(runs[0], dict):
        return {key: middle([run[key] for run in runs]) for key in runs[0]}
    return np.median(runs, axis=0).tolist()


# ---- the model --------------------------------------------------------------


@cache
def largest_share(batch, ranks, m, draws=400):
    """Return how many of a batch, drawn from m examples, the rank with most of them has: a mean."""
    held = np.diff(m * np.arange(ranks + 1) // ranks)
    rng = np.random.default_rng(0)
    return rng.multivariate_hypergeometric(held, batch, draws, "marginals").max(axis=1).mean()


def computing(curve, examples):
    """Return the seconds of a step without its Allreduce, of so many examples.

    Between those measured, and from the last on with the slope of the line through all.
    """
    b, t = curve["batch"], curve["step"]
    beyond = max(0.0, examples - b[-1])
    return np.interp(examples, b, t) + beyond * line(b, t)[1]


def step(found, name, batch, ranks, gbit, microseconds):
    """Return the seconds of a step, by the formula of docs/scaling.md."""
    if ranks == 1:
        return computing(found[f"{name}: plain"], batch)
    curve = found[f"{name}: part"]
    part = (ranks - 1) / ranks * size(name)
    seconds_a_byte = 2.0 * 8.0 / (1e9 * gbit) + curve["adding"]
    share = largest_share(batch, ranks, EPOCH * batch)
    latency = 2.0 * math.log2(ranks) * 1e-6 * microseconds
    order = found["order"]["order"] * (batch - share)
    return computing(curve, share) + order + part * seconds_a_byte + latency


def size(name):
    """Return the bytes of the vector that is summed: dJ/dθ, J, 0."""
    return 4 * (count(CASES[name].sizes) + 2)


def line(n, t):
    """Return a and b of t = a + b n, by least squares of relative errors."""
    n, t = np.asarray(n, dtype=float), np.asarray(t)
    return np.linalg.lstsq(np.stack([1.0 / t, n / t], axis=1), np.ones_like(t))[0].tolist()


def modelled(found, networks):
    """Return what the model says of each case: seconds of a step and speed-up for each P."""
    rows = []
    for (name, case), (gbit, us) in product(CASES.items(), networks):
        for how, batch in (("strong", case.batch), ("strong", LARGE), ("weak", case.batch)):
            grow = [p if how == "weak" else 1 for p in RANKS]
            seconds = [
                step(found, name, batch * k, p, gbit, us) for p, k in zip(RANKS, grow, strict=True)
            ]
            gain = [k * seconds[0] / s for k, s in zip(grow, seconds, strict=True)]
            labels = {"network": name, "scaling": how, "batch": batch, "gbit": gbit, "us": us}
            rows.append({**labels, "seconds": seconds, "speed-up": gain})
    return rows


# ---- the report -------------------------------------------------------------


def measured_table(found):
    a, b = line(BYTES, found["allreduce"])
    rows = []
    for name, case in CASES.items():
        one = found[f"{name}: 1 rank, 1 thread"]["step"]
        for how, k, suffix in (("strong", 1, ""), ("weak", 2, ", twice the batch")):
            whole = found[f"{name}: 1 rank{suffix}"]["step"]
            two = found[f"{name}: 2 ranks{suffix}"]
            share = largest_share(k * case.batch, 2, k * case.m)
            model = computing(found[f"{name}: part, 1 thread"], share) + a + b * size(name)
            gain = k * one / two["step"]
            times = (one, whole, two["step"], two["sum"])
            ratios = (two["share"], gain, gain / 2.0, whole / two["step"])
            rows.append(
                (
                    *(name, how, k * case.batch),
                    *map(milliseconds, times),
                    *(f"{ratio:.2f}" for ratio in ratios),
                    *(milliseconds(model), f"{two['step'] / model:.2f}"),
                )
            )
    header = (
        *("network", "scaling", "batch", "1 rank, 1 thread, ms", "1 rank, all cores, ms"),
        *("2 ranks, ms", "in Allreduce, ms", "its share", "speed-up", "efficiency"),
        *("over all cores", "model, ms", "measured / model"),
    )
    return Table(header, rows)


def threads_table(found):
    ways = {"its share of the cores": "2 ranks", "as many as cores": "2 ranks, all threads"}
    rows = [(w, milliseconds(found[f"{NAMES[0]}: {key}"]["step"])) for w, key in ways.items()]
    return Table(("threads of each rank", "step, ms"), rows)


def allreduce_table(found):
    a, b = line(BYTES, found["allreduce"])
    rows = [
        (f"{n:,}", *(f"{1e6 * x:,.1f}" for x in (t, a + b * n)), f"{n / t / 1e9:.2f}")
        for n, t in zip(BYTES, found["allreduce"], strict=True)
    ]
    return Table(("bytes n", "measured, µs", "a + b n, µs", "n / t, GB/s"), rows)


def computing_table(found):
    rows = []
    keys = {"plain": "plain", "part": "with others", "part, 1 thread": "with others, 1 thread"}
    for name, (key, what) in product(CASES, keys.items()):
        curve = found[f"{name}: {key}"]
        fixed, each = line(curve["batch"], curve["step"])
        times = (f"{computing(curve, b) * 1e3:.3g}" for b in SHARES)
        rows.append((name, what, f"{1e3 * fixed:.2f}", f"{1e6 * each:.1f}", *times))
    header = ("network", "run", "fixed, ms", "an example, µs")
    return Table((*header, *(f"{b} examples, ms" for b in SHARES)), rows)


def shares_table():
    ranks = (2, *SHOWN)
    rows = [
        (k, *(f"{largest_share(k * p, p, EPOCH * k * p) / k:.2f}" for p in ranks)) for k in SHARES
    ]
    return Table(("B / P", *(f"P = {p}" for p in ranks)), rows)


def model_table(rows):
    shown = [RANKS.index(p) for p in (1, *SHOWN)]
    cells = [
        (
            row["network"],
            row["scaling"],
            f"{row['batch']}{' P' if row['scaling'] == 'weak' else ''}",
            f"{row['gbit']:g}",
            *(f"{milliseconds(row['seconds'][i])} ({row['speed-up'][i]:.3g})" for i in shown),
        )
        for row in rows
    ]
    header = ("network", "scaling", "batch", "Gbit/s")
    return Table((*header, *(f"P = {RANKS[i]}" for i in shown)), cells)


def draw(rows):
    """Draw the speed-up of strong scaling and the efficiency of weak, a column for each network."""
    pyplot().switch_backend("Agg")
    figure, axes = grid(4, 2, (4.4, 3.4), sharex=True)
    rates = list(dict.fromkeys((row["gbit"], row["us"]) for row in rows))
    for row in rows:
        weak, column = row["scaling"] == "weak", NAMES.index(row["network"])
        large = row["batch"] == LARGE and not weak
        k = rates.index((row["gbit"], row["us"]))
        shown = row["speed-up"]
        if weak:
            shown = [gain / p for gain, p in zip(shown, RANKS, strict=True)]
        batch = f"{row['batch']} P" if weak else row["batch"]
        axes[2 * weak + column].plot(
            RANKS,
            shown,
            marker=MARKERS[k],
            markersize=4,
            color=COLOURS[k % len(COLOURS)],
            linestyle="--" if large else "-",
            label=f"batch {batch}, {row['gbit']:g} Gbit/s",
        )
    for i, ax in enumerate(axes):
        strong = i < 2
        ideal = RANKS if strong else np.ones(len(RANKS))
        ax.plot(RANKS, ideal, color="0.6", linewidth=1.0, label="ideal")
        ax.set_xscale("log", base=2)
        if strong:
            ax.set_yscale("log", base=2)
            ax.set_ylim(0.5, 1024)
            ax.yaxis.set_major_formatter("{x:g}")
            ax.set_title(NAMES[i], fontsize="medium")
        else:
            ax.set_ylim(0.0, 1.05)
            ax.set_xlabel("machines P")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.grid(alpha=0.3)
        ax.tick_params(labelsize=SMALL)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, fontsize=SMALL)
    axes[0].set_ylabel("strong: speed-up over one machine")
    axes[2].set_ylabel("weak: efficiency")
    return figure


def report(folder, found, described, networks):
    """Write the report, and return its path."""
    a, b = line(BYTES, found["allreduce"])
    rates = "; ".join(f"{gbit:g} Gbit/s and {us:g} µs a message" for gbit, us in networks)
    adding = found[f"{NAMES[0]}: part"]["adding"]
    order = found["order"]["order"]
    rows = modelled(found, networks)
    tables = {
        "A step on one and two ranks of this machine, NumPy, Adam, float32": measured_table(found),
        f"Threads: a step of {NAMES[0]} on two ranks": threads_table(found),
        f"Allreduce between two ranks: a = {1e6 * a:.1f} µs, 1/b = {1e-9 / b:.2f} GB/s": (
            allreduce_table(found)
        ),
        "A step of one process without Allreduce": computing_table(found),
        f"Expected largest share of a batch over B / P, of m = {EPOCH} B examples": shares_table(),
        "Model: a step of P machines in ms, and in parentheses the speed-up": model_table(rows),
    }
    described = [
        *described,
        f"model: {rates} (assumed); m = {EPOCH} B; all cores",
        f"model: adding {1e-9 / adding:.1f} GB/s; order {1e9 * order:.0f} ns an example",
    ]
    stem = folder / f"distributed-{report_name()[:10]}"
    data = {"measured": found, "model": rows}
    return write_report(
        stem, "Training on several processes", described, tables, {"model": draw(rows)}, data
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", metavar="DIR", type=Path, default=Path())
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--budget", type=float, default=1.0, help="seconds of one run")
    parser.add_argument("--note", action="append", default=[], help="a line of the conditions")
    parser.add_argument("--from", dest="old", metavar="JSON", type=Path, help="measure nothing")
    parser.add_argument(
        "--network", nargs=2, type=float, action="append", metavar=("GBIT", "MICROSECONDS")
    )
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker)
        return
    if options.old:
        old = json.loads(options.old.read_text(encoding="utf-8"))
        found, conditions = old["data"]["measured"], old["conditions"][:-2]
    else:
        found = measure(options.repetitions, options.budget)
        conditions = [*launch("described"), f"medians of {options.repetitions} runs in turn"]
    described = [*conditions, *options.note]
    print(report(options.report, found, described, options.network or NETWORKS))


if __name__ == "__main__":
    main()
