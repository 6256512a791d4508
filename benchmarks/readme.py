"""Write the newest results into README.md, between two comments: a table and the plot.

python benchmarks/readme.py
"""

import json
import re
from pathlib import Path

from xpnn._table import Table
from xpnn.bench import markdown

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- newest results -->", "<!-- end of newest results -->"


def main():
    readme = ROOT / "README.md"
    newest = max((ROOT / "benchmarks" / "results").glob("20*.json"))  # named by their dates
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n\n{block(newest)}\n\n{END}{after}", encoding="utf-8")


def block(path):
    """Return what README shows of one report."""
    report = json.loads(path.read_text(encoding="utf-8"))
    where = path.relative_to(ROOT).with_suffix("").as_posix()
    date = re.match(r"\d+-\d+-\d+", path.name)[0]
    machine = "; ".join(
        line for line in report["conditions"] if "=" not in line or line.startswith("note:")
    )
    heading = (
        "Time of the other side over that of `fit` in the same library: above 1, `fit` is faster"
    )
    lines = (
        f"{heading} ([all figures]({where}.md)).",
        markdown(ratios(report["data"])),
        f"![the same ratios, with fit on every library]({where}-ratios.png)",
        f"{date}. {machine.removesuffix('.')}.",
    )
    return "\n\n".join(lines)


def ratios(data):
    """Return a row for each workload and optimizer, a column for each peer."""
    rows = [row for row in data if same_library(row)]
    peers = list(dict.fromkeys(row["peer"] for row in rows))
    found = {(row["workload"], row["optimizer"], row["peer"]): row["ratio"] for row in rows}
    return Table(
        ("network", "optimizer", *peers),
        [
            (*case, *(f"{found[*case, p]:.2f}" if (*case, p) in found else "–" for p in peers))
            for case in dict.fromkeys((row["workload"], row["optimizer"]) for row in rows)
        ],
    )


def same_library(row):
    if row.get("table") == "peers":
        return row["xpnn on"].startswith("torch")
    return row.get("table") == "abstraction"


if __name__ == "__main__":
    main()
