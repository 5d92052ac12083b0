"""How Sphinx builds these pages: MyST Markdown, warnings are errors (see ``make docs``)."""

from steelyard import __version__

project = "steelyard"
author = "the steelyard authors"
copyright = "2026, the steelyard authors"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"steelyard {version}"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# docstrings use single backticks for names of this package
default_role = "code"
napoleon_google_docstring = True
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
autodoc_default_options = {"members": True, "show-inheritance": True}
