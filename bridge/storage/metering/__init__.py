"""Storage of metering: from journal lines to calls and minute records."""
