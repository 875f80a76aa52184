"""Storage options as huggingface_hub's file system takes them."""

from __future__ import annotations

from penstock.sources.storage_options import GivenOptions, StorageOptions

__all__ = ["read_options"]


def read_options(given: GivenOptions) -> StorageOptions:
    """Return what options of ``HfFileSystem`` mean.

    Raises:
        ConfigError: one cannot be used.
    """
    is_anonymous = given.any("token") is False
    token = None if is_anonymous or given.any("token") is True else given.text("token")
    options: dict[str, str | bool] = {"anonymous": True} if is_anonymous else {}
    if endpoint := given.text("endpoint"):
        options["endpoint_url"] = endpoint
    return StorageOptions(options=options, environment={"HF_TOKEN": token} if token else {})
