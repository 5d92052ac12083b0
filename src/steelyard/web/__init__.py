"""The workbench in the browser: a local server with a REST API, and the page that uses it.

``app`` puts the server together; ``guard`` refuses what does not come from the user's own page; ``bodies`` says
what requests may hold and ``naming`` which networks they may name; ``pool`` hands questions to child processes
(``worker``, ``answers``), ``memo`` keeps the answers; ``uploads`` and ``jobs`` keep what users hand in and start.
Nothing here computes: it is all the public API's.
"""
