"""The devnet's Hub: Hugging Face's API on loopback, for the unmodified `huggingface_hub`, `datasets` and `hf`.

server.py                   HubServer: the program, in a thread of its own
gate.py, faults.py          around every request: log, rate-limit headers, what goes wrong on demand
state.py                    what every request sees, and who may do what
tokens.py, refusal.py       users, their tokens, signed addresses; how the Hub says no
repos.py, disk.py           repositories, commits and references in files that are whole or absent
api.py, listing.py          users and repositories: create, look, list, name
changes.py                  pre-upload and commit
gitattributes.py, card.py   which files go to LFS; what is wrong with a card
lfs.py                      Git LFS: batch, one PUT or several, verify
xet.py                      Xet: tokens, xorbs, shards, reconstructions
xorb.py, shard.py, cas.py   Xet's two formats, and what is stored of them
content.py                  the bytes of a file by their sha256, whichever way they came
resolve.py, ranges.py       HEAD and GET of files, by range; LFS files from another origin
"""
