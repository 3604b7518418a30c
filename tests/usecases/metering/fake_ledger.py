"""A ledger in memory. tests/contracts/metering holds it to what the real one does."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bridge.domain.errors import Conflict
from bridge.domain.metering.records import Change, Incident
from bridge.domain.metering.switch_timeline import SwitchState
from bridge.usecases.metering.ports import Position, Resumption


@dataclass
class FakeLedger:
    """Implements metering_ports.Ledger, without rows. `moves` are the positions of each commit: before, and after."""

    positions: dict[str, Position] = field(default_factory=dict)
    states: dict[str, SwitchState] = field(default_factory=dict)
    moves: list[tuple[Position | None, Position]] = field(default_factory=list)

    async def resume(self, node: str) -> Resumption:
        return Resumption(self.positions.get(node), self.states.get(node, SwitchState()), (), ())

    async def commit(
        self, node: str, before: Position | None, after: Position, switch_state: SwitchState, changes: Sequence[Change]
    ) -> Sequence[Incident]:
        present = self.positions.get(node)
        if present == after:
            return ()
        if present != before:
            raise Conflict(f"another daemon committed the journal of {node}")
        self.positions[node], self.states[node] = after, switch_state
        self.moves.append((before, after))
        return ()
