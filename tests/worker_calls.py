"""Calls that worker processes of tests make: good ones, and ones that hang, grow and crash."""

import os
import re
import signal
import subprocess
import sys
import time
from functools import partial

from surefoot.labels.workers import Workers


def square(number):
    return number * number


def behave(order):
    """Do what is asked: any number is squared, words are dangers."""
    match order:
        case "raise":
            raise ValueError("no such luck")
        case "hang":
            time.sleep(600)
        case "hang in C":
            re.fullmatch(r"(a|a)*b", "a" * 60)  # no bytecode runs, so no Python code can end it
        case "deaf":
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            time.sleep(600)
        case "grow":
            return len(bytearray(8 * 2**30))
        case "exit":
            sys.exit(3)
        case "exit at once":
            os._exit(3)
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "deep":
            return behave_deeply(order)
        case "print":
            print("a line on stdout")
            return order
        case "unpicklable":
            return lambda: None
        case _:
            return order * order


def behave_deeply(order):
    return behave_deeply(order)


def process_id(_):
    time.sleep(0.05)
    return os.getpid()


def modules(_):
    return sorted(sys.modules)


def start_another(seconds):
    """The id of a process that this one starts and does not wait for; then hang."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(seconds, "w", encoding="utf-8") as file:
        file.write(str(child.pid))
    time.sleep(600)


def noting(file, order):
    """Note the process that begins an order, then do it."""
    with open(file, "a", encoding="utf-8") as notes:
        notes.write(f"{os.getpid()}\n")
    return behave(order)


def keep_two_busy(file):
    """A main program, to be killed or interrupted: two workers that hang."""
    with Workers(2, 3) as workers:
        list(workers.map(partial(noting, file), ["hang", "hang in C"]))
