"""The task server: leases WARC files to miners, and remembers for ever who did what.

models.py    what goes over the wire, and the rules of a server
problems.py  every way in which it says no (RFC 9457), closed
tables.py    the database; migrations/ its history
store.py     leases, renewals, finishes, scores: one atomic statement each
crawls.py    a crawl's list of WARC files -> the database
api.py       /v1 and its OpenAPI description
client.py    TaskServer: what miners and validators call
serve.py     one server process
"""
