"""Which drivers exist. A new rail adds one line here."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.base import Connector, ConnectorConfig, ConnectorMisconfigured
from connectors.rails.ach import AchConnector
from connectors.rails.faster_payments import FasterPaymentsConnector
from connectors.rails.mpesa import MpesaConnector
from connectors.rails.mtn import MtnConnector
from connectors.rails.orange import OrangeConnector
from connectors.rails.rtp import RtpConnector
from connectors.rails.sepa import SepaConnector, SepaInstantConnector
from connectors.rails.wave import WaveConnector
from connectors.rails.wire import WireConnector

CONNECTORS: Mapping[str, type[Connector]] = {
    AchConnector.driver: AchConnector,
    SepaConnector.driver: SepaConnector,
    SepaInstantConnector.driver: SepaInstantConnector,
    RtpConnector.driver: RtpConnector,
    WireConnector.driver: WireConnector,
    FasterPaymentsConnector.driver: FasterPaymentsConnector,
    MtnConnector.driver: MtnConnector,
    WaveConnector.driver: WaveConnector,
    OrangeConnector.driver: OrangeConnector,
    MpesaConnector.driver: MpesaConnector,
}


def build(driver: str, config: ConnectorConfig) -> Connector:
    """Build a connector. Raises ConnectorMisconfigured for an unknown driver or a bad option."""
    connector = CONNECTORS.get(driver)
    if connector is None:
        raise ConnectorMisconfigured("driver_unknown", driver[:40])
    return connector(config)
