"""The page opens in a real browser: the one quick test of it."""

from playwright.sync_api import expect


def test_the_page_opens_and_keeps_the_token_to_itself(desk):
    page = desk.open("network?n=alexnet")
    # 724,406,816 MACs and 60,965,224 parameters: Krizhevsky et al. 2012, two groups
    expect(page.locator("[data-figure=macs]")).to_have_text("724 M")
    expect(page.locator("[data-figure=params]")).to_have_text("61.0 M")
    expect(page.get_by_role("treeitem").first).to_be_visible()
    assert "token" not in page.url
    assert page.url.endswith("/#/network?n=alexnet")
