"""Pictures of examples: choosing examples, contact sheets, HTML pages, and the demonstration on the bundled sample."""
