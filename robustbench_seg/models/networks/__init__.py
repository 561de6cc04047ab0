"""Networks, one file each, by the name a card or recipe gives."""
