"""The composition root: names every concrete class and joins them. Nothing is decided here."""
