"""The devnet's Hub: Hugging Face's API on loopback, for the unmodified `huggingface_hub`, `datasets` and `hf`.

server.py                   HubServer, which runs the Hub in its own thread
gate.py, faults.py          middleware for every request: log, rate-limit headers, faults on demand
state.py                    shared state of all requests, and permissions
tokens.py, refusal.py       users, their tokens, signed addresses; error responses
repos.py, disk.py           repositories, commits and references in files that are written atomically
api.py, listing.py          users and repositories: create, inspect, list, tag and branch
changes.py                  pre-upload and commit
gitattributes.py, card.py   which files go to LFS; errors in a dataset card
lfs.py                      Git LFS: batch, upload in one PUT or several, verify
xet.py                      Xet: tokens, xorbs, shards, reconstructions
xorb.py, shard.py, cas.py   Xet's two formats, and the store for their content
content.py                  the bytes of a file by their sha256, for all kinds of upload
resolve.py, ranges.py       HEAD and GET of files, by range; LFS files from another origin
"""
