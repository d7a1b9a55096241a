"""The secret with which a caller comes back: new each time, and never lost by bad luck."""

from proxy.resume import ResumeKey


def test_whoever_was_here_is_known() -> None:
    key = ResumeKey("a-session")
    assert key.fits("a-session", key.token)


def test_nobody_else_is() -> None:
    key = ResumeKey("a-session")
    assert not key.fits("another", key.token)
    assert not key.fits(None, key.token)
    assert not key.fits("a-session", None)
    assert not key.fits("a-session", "")
    assert not key.fits("a-session", key.token[:-1])
    assert not key.fits("a-session", "ünprintable\x00")


def test_two_sessions_have_two_secrets() -> None:
    assert ResumeKey("one").token != ResumeKey("one").token


def test_the_last_secret_is_good_until_the_new_one_has_arrived() -> None:
    key = ResumeKey("a-session")
    first = key.token
    key.rotate(first)
    second = key.token
    assert second != first
    assert key.fits("a-session", first)
    assert key.fits("a-session", second)
    key.confirm()
    assert not key.fits("a-session", first)
    assert key.fits("a-session", second)


def test_any_number_of_answers_may_be_lost() -> None:
    key = ResumeKey("a-session")
    first, unheard = key.token, []
    for _ in range(5):
        key.rotate(first)
        unheard.append(key.token)
    assert key.fits("a-session", first)
    assert key.fits("a-session", unheard[-1])
    assert not any(key.fits("a-session", token) for token in unheard[:-1])


def test_no_secret_is_in_its_text() -> None:
    key = ResumeKey("a-session")
    key.rotate(key.token)
    assert key.token not in repr(key)
    assert repr(key) == "ResumeKey(session='a-session')"
