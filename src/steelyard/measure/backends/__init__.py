"""The backends that come with steelyard, one file each."""
