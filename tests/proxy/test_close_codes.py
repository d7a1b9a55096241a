from proxy.close_codes import MEANINGS, CloseCode, may_reconnect, reason_for


def test_every_code_has_a_meaning_that_fits_a_close_frame() -> None:
    for code in CloseCode:
        assert len(reason_for(code).encode()) <= 123
    assert MEANINGS.keys() == set(CloseCode)


def test_an_unknown_code_is_judged_by_its_range() -> None:
    assert may_reconnect(4150)
    assert may_reconnect(4599)
    assert not may_reconnect(4050)
    assert not may_reconnect(4450)
    assert not may_reconnect(3000)


def test_codes_of_ours_agree_with_their_range() -> None:
    for code, meaning in MEANINGS.items():
        if code >= 4000:
            in_range = 4100 <= code <= 4199 or 4500 <= code <= 4599
            assert meaning.reconnect == in_range


def test_a_lost_connection_may_be_dialled_again_and_an_ended_conversation_not() -> None:
    assert may_reconnect(CloseCode.ABNORMAL)
    assert may_reconnect(CloseCode.GOING_AWAY)
    assert not may_reconnect(CloseCode.ENDED)
    assert not may_reconnect(CloseCode.POLICY_VIOLATION)
