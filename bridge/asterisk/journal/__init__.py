"""The journal that Asterisk writes: its files, reading them, and keeping them safe."""
