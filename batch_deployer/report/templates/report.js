
"use strict";
(function () {
  const rows = Array.from(document.querySelectorAll("#deployments tbody tr"));
  const buttons = Array.from(document.querySelectorAll("button[data-outcome]"));
  const search = document.getElementById("search");
  const shown = document.getElementById("shown");
  let wanted = "";
  function apply() {
    const text = search.value.trim().toLowerCase();
    let count = 0;
    for (const row of rows) {
      const fits = (!wanted || row.dataset.outcome === wanted) &&
        (!text || row.textContent.toLowerCase().includes(text));
      row.hidden = !fits;
      if (fits) { count += 1; }
    }
    shown.textContent = count.toLocaleString("en") + " shown";
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.outcome === wanted));
    }
  }
  for (const button of buttons) {
    button.addEventListener("click", function () {
      wanted = wanted === button.dataset.outcome ? "" : button.dataset.outcome;
      apply();
    });
  }
  search.addEventListener("input", apply);
  apply();
})();
