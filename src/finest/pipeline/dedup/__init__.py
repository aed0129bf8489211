"""MinHash deduplication over the signatures of a whole run, in stages with bounded memory.

Two pages are duplicates if their signatures agree in at least one bucket. Clusters are the connected components, and
one page of each survives: the one that DataTrove's stages 2 and 3 keep. Their survivor is the root of a union-find
tree, so it depends on the order of the edges: bucket by bucket, by signature and then by page.

    signatures of the slices -> edges of each bucket and range of hashes (`edges`, tasks in parallel)
                             -> one union-find fed with all edges in order (`forest`) -> survivors (`survivors`)

A task's output is a file that is renamed into place, so a deduplication that was killed continues with the tasks that
are missing (`stages`). The result is the same for any number of tasks and any memory.
"""
