"""The flags that name photos, shared by all programs that read them."""

from absl import flags

# --help then lists the flags among those of the program that calls `define_data_dir`.
flags.disclaim_key_flags()


def define_photo_dir() -> flags.FlagHolder[str]:
    """Defines --data_dir of a program that reads no shards."""
    return flags.DEFINE_string(
        "data_dir",
        None,
        "Folder with a sub-folder of images per class, or a CSV (path,label[,split]).",
        required=True,
    )


def define_data_dir() -> flags.FlagHolder[str]:
    """Defines --data_dir of a program that trains."""
    return flags.DEFINE_string(
        "data_dir",
        None,
        "Folder with a sub-folder of images per class, a CSV (path,label[,split]), or "
        "shards of `corallite pack`, also as gs://BUCKET/NAME.",
    )


def define_cache_gb() -> flags.FlagHolder[float | None]:
    """Defines --cache_gb."""
    return flags.DEFINE_float(
        "cache_gb",
        None,
        "Most gigabytes of decoded images that the cache of all runs keeps; images "
        "without room are decoded whenever they are read; by default half of what is "
        "free on the disk.",
        lower_bound=0.0,
    )


def define_group_by() -> flags.FlagHolder[str]:
    """Defines --group_by."""
    return flags.DEFINE_string(
        "group_by",
        None,
        "Keep images in one split if this regular expression finds the same text in "
        "their paths (its first parenthesis, or all of it), such as '(.*)_[0-9]+' for "
        "cat/one_0001.jpg; by default near-duplicates.",
    )
