"""The Slurm executor: DataTrove's own, with requests that the cluster can fulfil and jobs followed to their end.

It fits a request to the cluster, submits each stage of a run as one job array, and watches every task until the queue
or the accounting shows how it ended, which it then explains in plain words.
"""
