"""Lists labelled images: class folders, folders of splits, or a CSV."""
