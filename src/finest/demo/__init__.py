"""`finest demo`: run the whole subnet on this machine, or only refine the sample if the devnet is not installed."""
