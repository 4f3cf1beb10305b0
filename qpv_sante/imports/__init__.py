"""The import door: files that are downloaded by hand, and the analyst's own."""
