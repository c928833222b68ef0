"""What the worker raises in the user's code; neither is an Exception, which the code may catch."""


class Interrupted(SystemExit):
    """Raised in the user's code when the worker's grace is over; ends the program."""


class TimedOut(BaseException):
    """Raised in the user's code when the item has taken its time; `with item:` catches it.

    It is no Exception, so that code which tries again after any error does not go on with the item.
    """
