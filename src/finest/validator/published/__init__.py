"""Published evidence: the records of a validator's verdicts in a dataset repository of its own, for anybody to replay.

- `batch.py`: the format, a manifest with a Merkle root and a file with the records
- `publish.py`: one commit per batch
- `fetch.py`: reads a batch or one record of it, and checks it
- `spot_check.py`: the request and the result of a spot check
- `check.py`: compares one record with what its validator reported, and replays it
"""
