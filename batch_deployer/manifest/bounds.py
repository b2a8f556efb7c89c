"""Bounds on what a manifest may expand to: a small file must not fill the memory or keep a processor for hours."""

MAX_DEPLOYMENTS = 200_000
"""Pairs of cluster and release."""
MAX_NODES = 2_000_000
"""Values, lists and mappings of one file: each takes some hundred bytes while it is read."""
MAX_ROWS = 300_000
"""Rows of one table."""
MAX_TABLE_BYTES = 256 * 1024 * 1024
"""Size of one table."""
MAX_COMPARISONS = 20_000_000
"""Releases with targets times clusters: each release is compared with the tags of each cluster."""
MAX_WAVES = 1000
"""Waves, parts of spread ones counted."""
MAX_EXPANDED_BYTES = 256 * 1024 * 1024
"""Characters of all distinct values of a plan, and of what the placeholders of a manifest bring."""
MAX_TEXT_CHARACTERS = 16 * 1024 * 1024
"""Characters that the placeholders of one text may bring."""
MAX_ALIASED_BYTES = 64 * 1024 * 1024
"""Characters that the aliases of a file stand for."""
TOO_MANY_NODES = f"the file holds more than {MAX_NODES:,} values; put clusters and pairs into tables"
