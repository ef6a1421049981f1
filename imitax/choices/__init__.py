"""The implementation choices that algorithms share, each written once as a frozen dataclass with pure methods."""
