"""The command line. Each command resolves its arguments and calls one function of the library; nothing imports it."""
