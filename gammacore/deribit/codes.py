"""The exchange's error codes: what each means for the request, and for the session.

Fates are conservative: what is not known to have failed before the matching engine is UNKNOWN.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

LOCAL = 0  # the session did not send the request
UNREADABLE = -1  # there was an answer that could not be read
LOCKED = (10019, 11051)  # an index or the exchange; the account has a code of its own
ACCOUNT_LOCKED = 11098
# The key or what it may do. 10000 and 13009 are of a token, too: only the next login tells.
AUTHORISATION = frozenset((11042, 12005, 13004, 13021, 13031, 13403))


class Fate(StrEnum):
    """What became of a request that was not answered with a result."""

    REJECTED = "rejected"  # nothing happened; the same again would be rejected again
    RETRY = "retry"  # nothing happened; the same may be sent again
    UNKNOWN = "unknown"  # it may have taken effect


class Action(StrEnum):
    """What the session does besides telling its user."""

    NONE = "none"
    BACK_OFF = "back off"  # send nothing that can wait, for a moment
    REAUTHENTICATE = "reauthenticate"
    DROP = "drop"  # the connection; a new one starts afresh


class Code(NamedTuple):
    """One row of the table."""

    code: int
    name: str
    fate: Fate = Fate.REJECTED
    action: Action = Action.NONE


_RETRY, _UNKNOWN = Fate.RETRY, Fate.UNKNOWN
# Refusals that a fresh quote may cure, or that are part of working an order at its own price.
OF_PRICE = frozenset((10005, 10006, 10007, 10011, 10023, 10026, 10043, 11021, 11054))
OF_GRID = frozenset((10002, 10021, 10027, 10043, -32602))  # or of another parameter
NO_FUNDS = frozenset((10009, 10039))
_ROWS = (
    Code(10000, "authorization_required", _RETRY, Action.REAUTHENTICATE),
    Code(10001, "error", _UNKNOWN),
    Code(10002, "qty_too_low"),
    Code(10003, "order_overlap"),
    Code(10004, "order_not_found"),
    Code(10005, "price_too_low"),
    Code(10006, "price_too_low4idx"),
    Code(10007, "price_too_high"),
    Code(10009, "not_enough_funds"),
    Code(10010, "already_closed"),
    Code(10011, "price_not_allowed"),
    Code(10012, "book_closed"),
    Code(10013, "pme_max_total_open_orders"),
    Code(10014, "pme_max_future_open_orders"),
    Code(10015, "pme_max_option_open_orders"),
    Code(10016, "pme_max_future_open_orders_size"),
    Code(10017, "pme_max_option_open_orders_size"),
    Code(10018, "non_pme_max_future_position_size"),
    Code(10019, "locked_by_admin"),
    Code(10020, "invalid_or_unsupported_instrument"),
    Code(10021, "invalid_amount"),
    Code(10022, "invalid_quantity"),
    Code(10023, "invalid_price"),
    Code(10024, "invalid_max_show"),
    Code(10025, "invalid_order_id"),
    Code(10026, "price_precision_exceeded"),
    Code(10027, "non_integer_contract_amount"),
    Code(10028, "too_many_requests", _RETRY, Action.DROP),
    Code(10029, "not_owner_of_order"),
    Code(10030, "must_be_websocket_request"),
    Code(10031, "invalid_args_for_instrument"),
    Code(10032, "whole_cost_too_low"),
    Code(10033, "not_implemented"),
    Code(10034, "trigger_price_too_high"),
    Code(10035, "trigger_price_too_low"),
    Code(10036, "invalid_max_show_amount"),
    Code(10037, "non_pme_total_short_options_positions_size"),
    Code(10038, "pme_max_risk_reducing_orders"),
    Code(10039, "not_enough_funds_in_currency"),
    Code(10040, "retry", _RETRY),
    Code(10041, "settlement_in_progress", _RETRY, Action.BACK_OFF),
    Code(10043, "price_wrong_tick"),
    Code(10044, "trigger_price_wrong_tick"),
    Code(10045, "can_not_cancel_liquidation_order"),
    Code(10046, "can_not_edit_liquidation_order"),
    Code(10047, "matching_engine_queue_full", _RETRY, Action.BACK_OFF),
    Code(10048, "not_on_this_server", _RETRY, Action.DROP),
    Code(10049, "cancel_on_disconnect_failed"),
    Code(10066, "too_many_concurrent_requests", _RETRY, Action.BACK_OFF),
    Code(11008, "already_filled"),
    Code(11021, "post_only_price_modification_not_possible"),
    Code(11029, "invalid_arguments"),
    Code(11030, "other_reject"),
    Code(11031, "other_error", _UNKNOWN),
    Code(11035, "no_more_triggers"),
    Code(11036, "invalid_trigger_price"),
    Code(11037, "outdated_instrument_for_IV_order"),
    Code(11038, "no_adv_for_futures"),
    Code(11039, "no_adv_postonly"),
    Code(11041, "not_adv_order"),
    Code(11042, "permission_denied"),
    Code(11043, "bad_argument"),
    Code(11044, "not_open_order"),
    Code(11045, "invalid_event"),
    Code(11046, "outdated_instrument"),
    Code(11047, "unsupported_arg_combination"),
    Code(11048, "wrong_max_show_for_option"),
    Code(11049, "bad_arguments"),
    Code(11050, "bad_request"),
    Code(11051, "system_maintenance", _RETRY, Action.BACK_OFF),
    Code(11052, "subscribe_error_unsubscribed"),
    Code(11054, "post_only_reject"),
    Code(11055, "post_only_not_allowed"),
    Code(11056, "unauthenticated_public_requests_temporarily_disabled", _RETRY, Action.REAUTHENTICATE),
    Code(11094, "internal_server_error", _UNKNOWN),
    Code(11098, "account_locked"),
    Code(12003, "login_over_limit", _RETRY, Action.BACK_OFF),
    Code(12004, "registration_over_limit", _RETRY, Action.BACK_OFF),
    Code(12005, "country_is_banned"),
    Code(12998, "security_key_authorization_over_limit", _RETRY, Action.BACK_OFF),
    Code(13004, "invalid_credentials", Fate.REJECTED, Action.DROP),
    Code(13008, "request_failed", _UNKNOWN),
    Code(13009, "unauthorized", _RETRY, Action.REAUTHENTICATE),
    Code(13010, "value_required"),
    Code(13011, "value_too_short"),
    Code(13012, "unavailable_in_subaccount"),
    Code(13018, "invalid_content_type"),
    Code(13019, "orderbook_closed"),
    Code(13020, "not_found"),
    Code(13021, "forbidden"),
    Code(13025, "method_switched_off_by_admin"),
    Code(13028, "temporarily_unavailable", _RETRY, Action.BACK_OFF),
    Code(13030, "mmp_trigger"),
    Code(13031, "verification_required"),
    Code(13032, "non_unique_order_label"),
    Code(13040, "mmp_required"),
    Code(13042, "cod_not_enabled"),
    Code(13043, "quotes_frozen"),
    Code(13403, "scope_exceeded"),
    Code(13503, "unavailable", _UNKNOWN, Action.BACK_OFF),
    Code(13666, "request_cancelled_by_user"),
    Code(13777, "replaced"),
    Code(13778, "raw_subscriptions_not_available_for_unauthorized"),
    Code(13888, "timed_out"),
    Code(13901, "no_more_oto_orders"),
    Code(-32602, "Invalid params"),
    Code(-32601, "Method not found"),
    Code(-32700, "Parse error"),
    Code(-32000, "Missing params"),
)
CODES: dict[int, Code] = {row.code: row for row in _ROWS}


def look_up(code: int) -> Code:
    """Row of a code; one that is not in the table may mean anything, so its fate is unknown."""
    return CODES.get(code) or Code(code, "unknown", Fate.UNKNOWN)
