"""What the commands show: tables, bars and lines for a person, dictionaries for JSON.

A view takes results of the packages below and prints them; it fetches and decides nothing. Code that works for long
is handed its view, and does not import it.
"""
