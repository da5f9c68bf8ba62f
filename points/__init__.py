"""The network that tells before which digit the decimals begin, by what shows on either side of each gap."""
