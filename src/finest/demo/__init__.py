"""`finest demo`: the whole subnet at work on this machine, or the sample alone where the devnet is not installed."""
