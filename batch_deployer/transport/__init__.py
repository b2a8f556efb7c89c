"""HTTP to clouds and identity services. Only `app` imports this package."""
