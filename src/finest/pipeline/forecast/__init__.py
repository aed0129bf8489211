"""The forecast of a run before it starts: core-hours, bytes, files, memory and disk of each stage, and its limits."""
