"""What all packages use: checks of arguments, errors for unknown names, pickling, terminals, the configuration."""
