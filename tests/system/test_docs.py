"""Every example of docs/ runs, page by page from top to bottom, and prints what the page shows.

A ``python`` block is a session of Python, a ``console`` block one of a shell. The blocks of a page
share one temporary folder and one Python; of a page that says ``<!-- every section by itself -->``,
those of a section. ``...`` stands for what depends on the machine. A section with
``<!-- needs: torch -->`` is skipped where that library is missing, so no other may lean on it. A
``bash`` block shows what no test may do, such as to install something: only its syntax is checked.
"""

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import pytest
from threadpoolctl import threadpool_limits

from xpnn._backends import selection
from xpnn.cli import main

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(page.stem for page in DOCS.glob("*.md"))
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


# ---- reading a page ---------------------------------------------------------


class Section(NamedTuple):
    title: str
    text: str
    line: int  # of the page, counted from 0

    @property
    def needs(self):
        return re.findall(r"[\w.]+", " ".join(re.findall(r"<!-- needs: (.*?) -->", self.text)))

    def blocks(self):
        """Return (kind, text, line) of each fenced block but the directives of Sphinx."""
        for found in re.finditer(r"^(```+)(.*)\n((?:.*\n)*?)\1$", self.text, re.MULTILINE):
            _, kind, text = found.groups()
            if not kind.startswith("{"):
                yield kind, text, self.line + self.text.count("\n", 0, found.start(3))


def sections(page):
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    starts = [0, *(found.start() for found in re.finditer(r"^## ", text, re.MULTILINE))]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        title = text[start:end].lstrip("# \n").partition("\n")[0]
        yield Section(title, text[start:end], text.count("\n", 0, start))


# ---- running it -------------------------------------------------------------


def run_python(block, name, line, globs):
    test = doctest.DocTestParser().get_doctest(block, {}, name, name, line)
    test.globs = globs
    told = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    failed, _ = runner.run(test, out=told.append, clear_globs=False)
    assert failed == 0, "".join(told)


def run_console(block, name, line):
    for prompt, command, want in commands(block):
        status, got = shell(command)
        got = "".join(f"{row.rstrip()}\n" for row in got.splitlines())
        assert doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS), (
            f"{name}, line {line + prompt + 1}: $ {command}\nexpected:\n{want}\ngot:\n{got}"
        )
        assert status == 0 or "error" in want, f"{name}: $ {command} ended with status {status}"


def commands(block):
    """Return (line, command, what it should print) of each ``$ command``."""
    assert block.startswith("$ "), f"a console block begins with a command, not {block!r}"
    rows = block.splitlines(keepends=True)
    prompts = [i for i, row in enumerate(rows) if row.startswith("$ ")]
    for i, end in zip(prompts, [*prompts[1:], len(rows)], strict=True):
        j = i + 1
        while rows[j - 1].endswith("\\\n"):
            j += 1
        command = "".join(rows[i:j]).removeprefix("$ ").replace("\\\n", "").strip()
        yield i, command, "".join(rows[j:end])


def shell(command):
    """Run a command; return its status and what it prints. Plain xpnn runs in this process."""
    words = shlex.split(command)
    if words[0] != "xpnn" or {"|", ">", "<", "&&"} & set(words):
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            command,
            shell=True,
            check=False,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout
    printed = io.StringIO()
    chosen, selection._default = selection._default, None
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            status = main(words[1:])
    except SystemExit as stopped:
        status = stopped.code
    finally:
        selection._default = chosen
    return status, printed.getvalue()


@pytest.mark.parametrize("page", PAGES)
def test_examples(page, tmp_path, monkeypatch, subtests):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    globs = {"__name__": "__main__"}
    alone = "<!-- every section by itself -->" in (DOCS / f"{page}.md").read_text(encoding="utf-8")
    for i, section in enumerate(sections(page)):
        if alone:
            globs = {"__name__": "__main__"}
            folder = tmp_path / str(i)
            folder.mkdir()
            monkeypatch.chdir(folder)
            monkeypatch.setattr(selection, "_default", None)
        # the matrices are small: where cores are busy, threads would wait for each other
        with subtests.test(section.title), threadpool_limits(1):
            for library in section.needs:
                if find_spec(library.partition(".")[0]) is None:
                    pytest.skip(f"this section needs {library}")
            for kind, block, line in section.blocks():
                if kind == "python":
                    run_python(block, f"docs/{page}.md", line, globs)
                elif kind == "console":
                    run_console(block, f"docs/{page}.md", line)
                elif kind == "bash":
                    subprocess.run(["bash", "-n"], input=block, text=True, check=True)
                elif kind == "toml":
                    tomllib.loads(block)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_an_example(page):
    for section in sections(page):
        for kind, block, line in section.blocks():
            where = f"docs/{page}.md, line {line}"
            assert kind in {"python", "console", "bash", "toml"}, f"{where}: who runs {kind!r}?"
            assert kind != "python" or block.startswith(">>> "), where


def test_an_example_that_is_wrong_fails(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_python(">>> 1 + 1\n2\n", "page", 0, {})
    with pytest.raises(AssertionError, match="Expected"):
        run_python(">>> 1 + 1\n3\n", "page", 0, {})
    run_console("$ xpnn demo none\nxpnn: error: unknown demo ...\n", "page", 0)
    with pytest.raises(AssertionError, match="expected"):
        run_console("$ xpnn demo none\nxpnn: error: no such demo\n", "page", 0)
    with pytest.raises(AssertionError, match="status 3"):
        run_console("$ exit 3\n", "page", 0)


# ---- the list of names ------------------------------------------------------

MODULES = (
    "optimizers",
    "schedules",
    "graph",
    "data",
    "plot",
    "demos",
    "distributed",
    "exceptions",
    "course.basics",
    "course.logistic",
    "course.shallow",
    "course.deep",
    "course.improving",
)


def listed():
    """Return the names of docs/api.md, without the ``xpnn.`` in front of them."""
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\.\. autosummary::\n((?:   :.*\n)*\n(?:   \S+\n)+)", text, re.MULTILINE)
    names = re.findall(r"^   ([\w.]+)$", "".join(tables), re.MULTILINE)
    return names + re.findall(r"^(?:\.\. data:: |   \* ``)([\w.]+)", text, re.MULTILINE)


def test_the_api_lists_every_public_name():
    names = listed()
    assert len(names) == len(set(names))
    xpnn = import_module("xpnn")
    public = {name for name in xpnn.__all__ if name not in {"course", *MODULES}}
    for module in MODULES:
        public |= {f"{module}.{name}" for name in import_module(f"xpnn.{module}").__all__}
    results = {"Audit", "BackendStatus", "GradientCheck", "History", "Report"}  # not in the list
    assert (public | results) - set(names) == set(), "missing in docs/api.md"
    for name in set(names) - public - results:
        module, _, attribute = name.rpartition(".")
        assert attrgetter(attribute)(import_module(f"xpnn.{module}")), f"{name} does not exist"
