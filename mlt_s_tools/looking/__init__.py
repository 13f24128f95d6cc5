"""Looking at examples: which ones, as a sheet, as a page, and the demonstration on the bundled sample."""
