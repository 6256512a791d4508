import importlib.metadata
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
from readme import newest

project = "xpnn"
author = "The xpnn developers"
copyright = "2026, The xpnn developers"  # noqa: A001
release = importlib.metadata.version("xpnn")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates"]
html_theme = "furo"
html_title = f"xpnn {release}"
html_static_path = ["_static"]
html_css_files = ["width.css"]

default_role = "py:obj"  # `fit` in a docstring is a link
autodoc_typehints = "none"  # the docstrings state types together with shapes
autosummary_generate = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
numpydoc_show_class_members = False


def name_the_newest_results(app, page, source):
    """Put the name of the newest file of results into the page of benchmarks."""
    if page == "benchmarks":
        source[0] = source[0].replace("NEWEST", newest().with_suffix(".md").name)


def setup(app):
    app.connect("source-read", name_the_newest_results)
