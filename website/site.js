/* The theme puts each table into a box that scrolls: whoever has no mouse has to reach it, too. It makes the boxes when the page is there. */
new MutationObserver(() => {
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])")) {
    box.tabIndex = 0;
  }
}).observe(document.body, { childList: true, subtree: true });
