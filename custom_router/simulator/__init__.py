"""A simulated OpenAI-compatible upstream: several providers in one process, for demos, tests and load."""

from custom_router.simulator.config import ModelSpec, SimulatorConfig, load_config
from custom_router.simulator.faults import Fault
from custom_router.simulator.server import Simulator

__all__ = ["Fault", "ModelSpec", "Simulator", "SimulatorConfig", "load_config"]
