"""How hard properties are tried: `pytest --hypothesis-profile=long` tries them on 100,000 examples each."""

from hypothesis import HealthCheck, settings

settings.register_profile("usual", deadline=None)
settings.register_profile(
    "long", deadline=None, max_examples=100_000, suppress_health_check=list(HealthCheck), print_blob=True
)
settings.load_profile("usual")
