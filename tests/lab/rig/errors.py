"""The one error that a person sees as one sentence."""


class LabError(Exception):
    """Something the lab cannot do; its text is one sentence that says what to
    change.
    """


class Hopeless(LabError):
    """Waiting longer cannot help: a poll ends at once with it."""
