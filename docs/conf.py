import importlib.metadata

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

autodoc_typehints = "none"  # the docstrings state types together with shapes
autosummary_generate = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
suppress_warnings = ["myst.xref_missing"]  # the README links to files outside docs/
