"""The one exception that a user is meant to read."""


class LikenessError(Exception):
    """A problem with what the user gave us, told in one sentence: what is wrong, where, and what to do.

    The command line prints the message without a traceback and exits with status 1; the add-on's operators turn it
    into a report. Anything else that is raised is a bug of ours and keeps its traceback.
    """
