"""Pure codec: calls to requests, answers to values. The only place that knows paths and field names; no I/O, no clock."""
