"""Where the exchange is."""

PRODUCTION = "wss://www.deribit.com/ws/api/v2"
TESTNET = "wss://test.deribit.com/ws/api/v2"
REST = "https://www.deribit.com/api/v2"
HISTORY = "https://history.deribit.com/api/v2"  # everything since listing: catalog and trades
