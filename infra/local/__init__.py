"""The cloud on one machine: what AWS does for Gen3D and no ready-made local cloud does. Never in the image."""
