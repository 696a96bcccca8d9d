"""Who has interrupted: a person with Ctrl-C, or a playbook that raises what Ctrl-C raises."""

from __future__ import annotations

import signal


def by_a_person(error: BaseException) -> bool:
    """Whether Ctrl-C was pressed. Where its signal is held back, or somebody listens to it, only code can raise that."""
    return (
        isinstance(error, KeyboardInterrupt)
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        and signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    )
