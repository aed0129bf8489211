"""The sample crawl that ships with the package, and what builds it.

The pages are prose of our own and noise of every kind, laid out as Common Crawl lays out its WARC files. The demo
refines the sample, the devnet serves crawls made of it, and tests read it.
"""
