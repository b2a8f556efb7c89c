"""Pure rules: values in, values out. No clock, no random, no await, no log, no I/O."""
