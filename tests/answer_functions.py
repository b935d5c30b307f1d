"""Functions of a user that compare answers, found by name."""

import os
import signal
import time


def same_length(reference, answer):
    return None if not answer else len(reference) == len(answer)


def says_one(reference, answer):
    return 1


def hangs(reference, answer):
    if answer == "hang":
        time.sleep(600)
    if answer == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    return reference == answer


NOT_A_FUNCTION = 7
