"""A session in the browser: another process than the session, which only reads its journal.

``source`` reads the journal (as it grows, or replayed), ``board`` says what it means, ``hub`` hands changes
on to any number of pages, ``guard`` decides who may see them, ``web`` serves them; the page is in ``static``.
"""
