"""Any result -> terminal table, Markdown, CSV, JSON, chart, one-file HTML, notebook. Never torch.

``api`` makes a `Report` and saves it; ``render`` turns a result into text of any form; ``document`` says
what each result has to say, ``table`` is that as pure data, and there is one renderer a file.
"""
