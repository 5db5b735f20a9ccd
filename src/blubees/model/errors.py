"""The one error family. Raised everywhere, translated in doors/replies.py and main/cli.py."""

from blubees.model.failures import Fault


class BluBeesError(Exception):
    """A surprise with a sentence for whoever meets it.

    Args:
        for_user: what was given, what is allowed, what to do. Never a value from the wire.
        for_operator: what helps to find the cause; same ban on values. Empty means the same sentence.
        whose_fault: who can mend it.
        retry_after_seconds: when trying again makes sense; 0 means it does not.
    """

    def __init__(
        self, for_user: str, *, for_operator: str = "", whose_fault: Fault = Fault.US, retry_after_seconds: float = 0.0
    ) -> None:
        super().__init__(for_user)
        self.for_user = for_user
        self.for_operator = for_operator or for_user
        self.whose_fault = whose_fault
        self.retry_after_seconds = retry_after_seconds


class InputError(BluBeesError):
    """What a caller gave can't be taken; `problems` lists each."""

    def __init__(self, for_user: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(for_user, whose_fault=Fault.TENANT)
        self.problems = problems


class MissingError(BluBeesError):
    """What was asked for is not there (or belongs to another tenant: the two are told alike)."""

    def __init__(self, for_user: str) -> None:
        super().__init__(for_user, whose_fault=Fault.TENANT)


class ConflictError(BluBeesError):
    """The thing changed meanwhile, or its state does not allow this."""

    def __init__(self, for_user: str) -> None:
        super().__init__(for_user, whose_fault=Fault.TENANT)


class UnavailableError(BluBeesError):
    """Something that we need does not answer now."""

    def __init__(self, for_user: str, *, retry_after_seconds: float = 5.0) -> None:
        super().__init__(for_user, retry_after_seconds=retry_after_seconds)


class TamperedError(BluBeesError):
    """Sealed data did not open: wrong key, wrong tenant or changed bytes. Which one is not told."""

    def __init__(self) -> None:
        super().__init__("The sealed data could not be opened.", for_operator="seal: authentication failed")


class KeyDisabledError(BluBeesError):
    """The key provider's key may not be used now: somebody has disabled it, or it is about to be deleted."""

    def __init__(self, for_user: str) -> None:
        super().__init__(for_user, retry_after_seconds=60.0)
