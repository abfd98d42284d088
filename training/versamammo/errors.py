"""TrainingError: what stops a stage, with a stable code and a sentence that says what to do."""


class TrainingError(Exception):
    """Bad input, configuration or environment. `code` is kebab-case and stable; the message is a whole sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
