"""Label pages for a quality model: by hand in a browser, or by a model behind an OpenAI-compatible endpoint."""
