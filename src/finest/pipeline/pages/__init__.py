"""Index first: choose pages by Common Crawl's columnar index, and read only their ranges of the WARCs."""
