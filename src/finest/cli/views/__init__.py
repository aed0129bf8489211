"""Views of the commands: tables, bars and lines for the terminal, dictionaries for JSON.

A view prints results of the lower layers; it fetches and decides nothing. Long-running code receives its view as an
argument instead of importing it.
"""
