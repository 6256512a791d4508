"""Write the newest results into README.md, between two comments: a table and the plot.

python benchmarks/readme.py
"""

import json
import re
from pathlib import Path

from targets import targets

from xpnn.bench import markdown

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- newest results -->", "<!-- end of newest results -->"


def main():
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n\n{block(newest())}\n\n{END}{after}", encoding="utf-8")


def newest():
    """Return the newest report of the whole suite with one thread a side, as JSON."""
    reports = (ROOT / "benchmarks" / "results").glob("20*.json")  # named by their dates
    return max(path for path in reports if not path.stem.endswith(("-all-threads", "-part")))


def block(path):
    """Return what README shows of one report."""
    report = json.loads(path.read_text(encoding="utf-8"))
    where = path.relative_to(ROOT).with_suffix("").as_posix()
    date = re.match(r"\d+-\d+-\d+", path.name)[0]
    machine = "; ".join(
        line for line in report["conditions"] if "=" not in line or line.startswith("note:")
    )
    ((heading, table),) = targets(report["data"]).items()
    lines = (
        f"{heading} ([all figures]({where}.md)).",
        markdown(table),
        f"![ratios of all comparisons]({where}-ratios.png)",
        f"{date}. {machine.removesuffix('.')}.",
    )
    return "\n\n".join(lines)


if __name__ == "__main__":
    main()
