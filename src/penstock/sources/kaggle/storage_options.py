"""Storage options of Kaggle's, by the names of its own credentials: fsspec has none."""

from __future__ import annotations

from penstock.sources.storage_options import GivenOptions, StorageOptions

__all__ = ["read_options"]


def read_options(given: GivenOptions) -> StorageOptions:
    """Return what options mean: ``token`` (False sends nothing), ``username`` and ``key``, ``endpoint``, ``archive``.

    Raises:
        ConfigError: one cannot be used.
    """
    is_anonymous = given.any("token") is False
    token = None if is_anonymous else given.text("token")
    user, key = given.text("username"), given.text("key")
    if bool(user) != bool(key):
        raise given.wrong("username" if user else "key", "stands alone", "give username and key together")
    if user and (token or is_anonymous):
        raise given.wrong("token", "stands beside username and key", "give one of them")
    options: dict[str, str | bool] = {"anonymous": True} if is_anonymous else {}
    if endpoint := given.text("endpoint"):
        options["endpoint_url"] = endpoint
    if given.flag("archive"):
        options["archive"] = True
    environment: dict[str, str | None] = {}
    if token:
        environment = {"KAGGLE_API_TOKEN": token}
    elif user:
        environment = {"KAGGLE_USERNAME": user, "KAGGLE_KEY": key, "KAGGLE_API_TOKEN": None}
    return StorageOptions(options=options, environment=environment)
