"""What tests share: worlds, data, an exchange in the process, browsers, oracles."""
