"""Teaching on the board: features of photos, and a head that is fitted to them."""
