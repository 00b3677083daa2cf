"""Which slates were shown and not answered yet: feedback counts once, and for what was shown only."""

import torch
from torch import Tensor

ANSWERED = -1


class Ledger:
    """The last `capacity` decisions, numbered in the order they were made."""

    def __init__(self, slots: int, device: torch.device, capacity: int = 1 << 18) -> None:
        """Room for `capacity` decisions of L slots: 8 L bytes each."""
        self.capacity, self.device = capacity, device
        self.issued = 0
        self.shown = torch.full((capacity, slots), ANSWERED, device=device)
        self._row = self.shown.numpy() if device.type == "cpu" else None
        self._scratch = torch.zeros(capacity, dtype=torch.int64, device=device)

    def issue(self, slates: Tensor) -> Tensor:
        """Numbers of [B, L] slates, [B]."""
        first, end = self.issued, self.issued + len(slates)
        numbers = torch.arange(first, end, device=self.device)
        cell = first % self.capacity
        if cell + len(slates) <= self.capacity:
            self.shown[cell : cell + len(slates)] = slates
        else:
            self.shown[numbers % self.capacity] = slates
        self.issued = end
        return numbers

    def issue_one(self, arm: int) -> int:
        """Number of a single slate of one slot, on the CPU."""
        number = self.issued
        self._row[number % self.capacity, 0] = arm  # pyright: ignore[reportOptionalSubscript]
        self.issued = number + 1
        return number

    def valid(self, numbers: Tensor, slates: Tensor) -> Tensor:
        """One bool on the device: all of [B] numbers are open, differ, and had these [B, L] slates."""
        cell = numbers % self.capacity
        order = torch.arange(len(numbers), device=self.device)
        self._scratch[cell] = order
        known = (numbers >= 0) & (numbers < self.issued) & (numbers >= self.issued - self.capacity)
        return (known & (self._scratch[cell] == order) & (self.shown[cell] == slates).all(1)).all()

    def valid_one(self, number: int, arm: int) -> bool:
        """`valid` for a single slate of one slot, on the CPU."""
        recent = 0 <= number < self.issued and number >= self.issued - self.capacity
        return recent and self._row[number % self.capacity, 0] == arm  # pyright: ignore[reportOptionalSubscript]

    def close(self, numbers: Tensor, accepted: Tensor) -> None:
        """Feedback for these came; nothing happens unless `accepted`, one bool on the device."""
        if self._row is None:
            cell = numbers % self.capacity
            self.shown[cell] = torch.where(accepted, ANSWERED, self.shown[cell])
        elif accepted:
            self._row[numbers.numpy() % self.capacity] = ANSWERED

    def close_one(self, number: int) -> None:
        """Feedback for this one came."""
        self._row[number % self.capacity, 0] = ANSWERED  # pyright: ignore[reportOptionalSubscript]

    def tensors(self) -> dict[str, Tensor]:
        """Open decisions, and how many were made."""
        numbers = torch.arange(max(0, self.issued - self.capacity), self.issued, device=self.device)
        slates = self.shown[numbers % self.capacity]
        waiting = slates[:, 0] != ANSWERED
        return {
            "open_numbers": numbers[waiting],
            "open_slates": slates[waiting],
            "issued": torch.tensor(self.issued, device=self.device),
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Takes over what `tensors` gave."""
        self.issued = int(state["issued"])
        self.shown.fill_(ANSWERED)
        self.shown[state["open_numbers"] % self.capacity] = state["open_slates"]
