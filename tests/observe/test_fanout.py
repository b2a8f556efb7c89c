"""Many listeners as one."""

from batch_deployer.app.fanout import Fanout


class Ear:
    def __init__(self, *, fails=False):
        self.heard = []
        self.fails = fails

    def on_event(self, event):
        self.heard.append(event)
        if self.fails:
            raise ValueError("out of order")


def test_every_listener_hears_every_event_in_order(events):
    one, two = Ear(), Ear()
    fanout = Fanout([one, two], warn=print)
    for event in events:
        fanout.on_event(event)
    assert one.heard == two.heard == events


def test_a_listener_that_raises_is_dropped_with_one_warning_and_the_others_go_on(events):
    broken, fine, warnings = Ear(fails=True), Ear(), []
    fanout = Fanout([broken, fine], warn=warnings.append)
    for event in events:
        fanout.on_event(event)
    assert len(broken.heard) == 1
    assert fine.heard == events
    assert warnings == ["Ear is switched off for the rest of the run: ValueError: out of order"]
