"""The sample crawl that ships with the package, and the code that builds it.

Its pages are prose written for it and noise of every kind, in the layout of Common Crawl's WARC files. The demo refines
the sample, the devnet serves crawls made from it, and tests read it.
"""
