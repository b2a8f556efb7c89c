"""Events to numbers to text. Nothing here reads the journal or decides anything."""
