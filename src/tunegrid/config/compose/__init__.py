"""From YAML, sweep files and a command line to typed settings; Hydra and OmegaConf end here."""
