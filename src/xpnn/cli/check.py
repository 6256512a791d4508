"""``xpnn check``: check that training is right on this machine."""

import argparse
import sys
from dataclasses import asdict
from math import isfinite
from time import perf_counter
from typing import Any, TypeAlias

from .._backends.selection import resolve
from .._backends.status import backends, usable_specs
from ..bench import conditions
from ..check import Finding, checked
from ..table import Table
from ..training.bar import progress_bar
from .streams import raw_stream, say, say_json

Found: TypeAlias = list[tuple[str, Finding]]
FAILED = 1
GPUS = ("cuda", "gpu", "mps", "tpu")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.description = (
        "Check every backend that works here: functions, the gradient of every activation and "
        "loss, the same training as on NumPy in float64, files, where arrays lie and how often "
        "the device is waited for. Each number says how far something is from right, and may be as "
        "large as 'at most'. The exit status is 1 if anything fails."
    )
    parser.add_argument("--backend", help="check this one only")
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Check, print what was found, and return 1 if anything is wrong."""
    began = perf_counter()
    chosen = arguments.backend
    specs = usable_specs(testing=True) if chosen is None else [resolve(chosen, "float32").spec]
    found: Found = []
    statuses = backends() if chosen is None else ()
    left_out = [f"{s.name}: {s.reason}" for s in statuses if s.installed and not s.usable]
    steps = checked(specs)
    if sys.stderr.isatty():
        bar = {"leave": False, "file": raw_stream(sys.stderr)}
        steps = progress_bar(2 * len(specs), iterable=steps, **bar)
    for each in steps:
        found += [(each.spec, finding) for finding in each.findings]
        left_out += [each.left_out] if each.left_out else []
    failed = [(spec, finding) for spec, finding in found if not finding.passed]
    if arguments.json:
        say_json(_report(specs, found, left_out))
    else:
        say(_table(specs, found), "")
        for (spec, remedy), findings in _by_remedy(failed).items():
            say(f"FAILED    on {spec}: {', '.join(map(_told, findings))}. {remedy}")
        for reason in left_out:
            say(f"left out  {reason}")
        if not any(name in spec for spec in specs for name in GPUS):
            say("left out  GPUs: no library here has one; xpnn backends says what each has")
        say(f"passed    {len(found) - len(failed)} of {len(found)} checks")
        say(f"time      {perf_counter() - began:.0f} s")
    return FAILED if failed else 0


def _report(specs: list[str], found: Found, left_out: list[str]) -> dict[str, Any]:
    """Return everything as plain values; JSON has no NaN and no infinity."""
    findings = [
        {"backend": spec, **asdict(finding), "passed": finding.passed} for spec, finding in found
    ]
    for finding in findings:
        finding["found"] = finding["found"] if isfinite(finding["found"]) else None
        finding["remedy"] = None if finding["passed"] else finding["remedy"]
    return {
        "passed": all(finding.passed for _, finding in found),
        "backends": specs,
        "left_out": left_out,
        "findings": findings,
        "conditions": conditions(),
    }


def _table(specs: list[str], found: Found) -> Table:
    """Return a row for each check and a column for each backend."""
    checks: dict[str, dict[str, Finding]] = {}
    for spec, finding in found:
        checks.setdefault(finding.check, {})[spec] = finding
    rows = []
    for check, by_spec in checks.items():
        allowed = next(iter(by_spec.values())).allowed
        cells = (_number(by_spec[spec].found) if spec in by_spec else "-" for spec in specs)
        failed = [spec for spec, finding in by_spec.items() if not finding.passed]
        verdict = f"FAILED: {', '.join(failed)}" if failed else "ok"
        rows.append((check, _number(allowed), *cells, verdict))
    return Table(("check", "at most", *specs, "verdict"), rows)


def _number(x: float) -> str:
    return f"{x:.0e}" if isfinite(x) and x != int(x) else f"{x:g}"


def _by_remedy(failed: Found) -> dict[tuple[str, str], list[Finding]]:
    """Group what failed by backend and remedy, in the order in which it is best cured."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for spec, finding in failed:
        groups.setdefault((spec, finding.remedy), []).append(finding)
    return groups


def _told(finding: Finding) -> str:
    found, allowed = _number(finding.found), _number(finding.allowed)
    return f"{finding.check} (found {found}, at most {allowed})"
