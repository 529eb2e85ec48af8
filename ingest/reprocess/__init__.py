"""What came before is read again: from quarantine, from kept frames, from the archive."""
