"""What a simulation starts from: clouds, clusters, charts, releases."""
