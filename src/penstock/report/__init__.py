"""The report page of a run, its charts, and the Markdown summary.

``page`` and ``charts`` are not imported here: they need Jinja2 and matplotlib, which take a second.
"""
