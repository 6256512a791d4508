"""Reports of timings: Markdown for people, JSON for programs, pictures."""

import datetime as dt
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..table import Table
from .conditions import gpus


def report_name() -> str:
    """Return today's date and ``cpu`` or the name of the GPU.

    Examples
    --------
    >>> from xpnn.bench import report_name
    >>> len(report_name()) > len("2026-11-21-")
    True
    """
    today = dt.datetime.now(tz=dt.UTC).date()
    machine = re.sub(r"[^a-z0-9]+", "-", gpus()[0].name.lower()) if gpus() else "cpu"
    return f"{today}-{machine}"


def write_report(
    stem: Path,
    title: str,
    described: list[str],
    tables: Mapping[str, Table],
    figures: Mapping[str, Any],
    data: Any,
) -> Path:
    """Write ``stem.md``, ``stem.json`` and ``stem-NAME.png``; return the path of the first.

    Parameters
    ----------
    stem : Path
        In a folder that is made if it is missing.
    title : str
    described : list of str
        What `conditions` returns.
    tables : mapping of str to Table
        By their headings.
    figures : mapping of str to matplotlib Figure
        By their names.
    data : object
        The figures before they were rounded, as JSON takes them.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from xpnn.bench import write_report
    >>> stem = Path(tempfile.mkdtemp(), "2026-11-21-cpu")
    >>> write_report(stem, "Timings", ["a computer"], {}, {}, []).name
    '2026-11-21-cpu.md'
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f"# {title}",
        "",
        f"{dt.datetime.now(tz=dt.UTC).date()}.",
        "",
        *(f"- {line}" for line in described),
    ]
    for name, figure in figures.items():
        picture = Path(f"{stem}-{name}.png")
        figure.savefig(picture, dpi=150)
        lines += ["", f"![{name}]({picture.name})"]
    for heading, table in tables.items():
        lines += ["", f"## {heading}", "", markdown(table)]
    Path(f"{stem}.json").write_text(
        json.dumps({"conditions": described, "data": data}, indent=1) + "\n", encoding="utf-8"
    )
    path = Path(f"{stem}.md")
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def markdown(table: Table) -> str:
    """Return a table in Markdown: words to the left, columns of figures to the right.

    Examples
    --------
    >>> from xpnn.table import Table
    >>> from xpnn.bench import markdown
    >>> print(markdown(Table(("what", "ms"), [("dot", "1.5")])))
    | what | ms |
    | --- | ---: |
    | dot | 1.5 |
    """
    columns = zip(*table.rows, strict=True) if table.rows else [()] * len(table.header)
    rules = ["---:" if _are_figures(column) else "---" for column in columns]
    return "\n".join(
        f"| {' | '.join(map(str, row))} |" for row in (table.header, rules, *table.rows)
    )


def _are_figures(column: Any) -> bool:
    figure = r"([-+]?\d[\d.,]*( \(.*\)| / \d[\d.]*)?|\*\*\d[\d.]*\*\*|[-–])$"
    return all(re.match(figure, str(cell)) for cell in column)
