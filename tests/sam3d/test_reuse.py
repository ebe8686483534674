import torch

from serve.reconstruct.sam3d.reuse import Reuse


class Asked:
    """Doubles a tensor, and remembers how often it was asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        self.times += 1
        return 2 * tensor


def test_a_function_is_asked_once_for_a_tensor() -> None:
    asked, tensor = Asked(), torch.ones(2)
    once = Reuse().once(asked, "double")
    assert once(tensor) is once(tensor)
    assert asked.times == 1


def test_an_equal_tensor_from_elsewhere_is_another() -> None:
    asked = Asked()
    once = Reuse().once(asked, "double")
    once(torch.ones(2))
    once(torch.ones(2))
    assert asked.times == 2


def test_what_has_gone_is_never_taken_for_what_has_come() -> None:
    """Python gives a new tensor the identity of one that is gone: what is remembered must not go."""
    once = Reuse().once(Asked(), "double")
    for value in range(200):
        assert once(torch.tensor(value)).item() == 2 * value


def test_functions_under_one_key_answer_for_one_another() -> None:
    first, second, tensor, reuse = Asked(), Asked(), torch.ones(2), Reuse()
    assert reuse.once(first, "same")(tensor) is reuse.once(second, "same")(tensor)
    reuse.once(second, "other")(tensor)
    assert (first.times, second.times) == (1, 1)


def test_what_is_made_of_the_photo_outlives_the_object_and_not_the_photo() -> None:
    first, second, reuse = Asked(), Asked(), Reuse()
    resize, look = reuse.once(first, "resize"), reuse.once(second, "look")
    photo, crop = torch.ones(2), torch.ones(2)
    reuse.begin_photo(photo)
    for _ in range(3):
        reuse.begin_objects()
        look(resize(photo))  # what is made of the photo, and of that
        look(crop)
    assert (first.times, second.times) == (1, 1 + 3)
    reuse.begin_photo(photo)
    look(resize(photo))
    assert first.times == 2
