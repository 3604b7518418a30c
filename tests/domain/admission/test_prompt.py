from bridge.domain.admission.prompt import Prompt


def test_a_prompt_is_logged_under_its_own_name() -> None:
    assert [prompt.value for prompt in Prompt] == [name.lower() for name in Prompt.__members__]
