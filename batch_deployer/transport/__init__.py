"""The wire. Only compose knows which transport is used."""
