"""The task server: leases WARC files to miners and records forever who did what.

The server (serve.py) runs an ASGI application (app.py). middleware.py handles what all requests have in common;
api.py, with signed_requests.py and authority.py, authenticates a request, checks the caller's rights and calls the
database (store.py). The rules of leasing are in leases.py, claim.py, transitions.py and lease_expiry.py. Every refusal
is one of the problems in problems.py. Miners and validators call the server through client.py.
"""
